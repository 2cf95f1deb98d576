using System.Text;
using Accelerated.Agent.Etcd.Proto;
using Google.Protobuf;
using Google.Protobuf.Collections;

namespace Accelerated.Agent.Etcd;

/// <summary>Between etcd's messages and the types the agent sees; nothing of protobuf goes beyond it.</summary>
internal static class EtcdMessages
{
    /// <summary>The most keys a listing, and changes a batch, may hold: more than a network of 65,536 subnets needs.</summary>
    internal const int MaxEntries = 100_000;

    /// <summary>
    /// How much of a value is read, in bytes; a lease has 200, a config a thousand. What is longer was not written by an agent and is cut, which no
    /// JSON survives: the key is then set aside as one that cannot be understood.
    /// </summary>
    internal const int LongestValue = 16 << 10;

    private const int LongestKey = 1 << 10;

    internal static ByteString Bytes(string text) => ByteString.CopyFromUtf8(text);

    /// <summary>The key and range end that mean "all keys with this prefix".</summary>
    internal static (ByteString Key, ByteString RangeEnd) Prefix(string prefix)
    {
        var bytes = Encoding.UTF8.GetBytes(prefix);
        // A range cannot begin with the empty key; the byte 0 is the smallest key there is.
        return (ByteString.CopyFrom(bytes.Length == 0 ? [0] : bytes), ByteString.CopyFrom(RangeEnd(bytes)));
    }

    /// <summary>
    /// The first key after all keys with a prefix: the prefix with its last byte one higher, bytes of 0xff cut off before
    /// that. None left means "to the end of the store", which etcd writes as one byte 0.
    /// </summary>
    internal static byte[] RangeEnd(ReadOnlySpan<byte> prefix)
    {
        var last = prefix.LastIndexOfAnyExcept((byte)0xff);
        if (last < 0)
            return [0];

        var end = prefix[..(last + 1)].ToArray();
        end[last]++;
        return end;
    }

    internal static EtcdEntry ToEntry(KeyValue kv) =>
        new(Text(kv.Key, LongestKey), Text(kv.Value, LongestValue), kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease);

    internal static EtcdWatchEvent ToEvent(Event e) => new(
        e.Type == Event.Types.EventType.Delete ? EtcdWatchEventKind.Delete : EtcdWatchEventKind.Put,
        ToEntry(e.Kv),
        e.PrevKv is null ? null : ToEntry(e.PrevKv));

    internal static TxnRequest ToTransaction(
        IReadOnlyList<EtcdCompare> when, IReadOnlyList<EtcdOperation> then, IReadOnlyList<EtcdOperation> otherwise)
    {
        var request = new TxnRequest();
        foreach (var condition in when)
            request.Compare.Add(ToCompare(condition));

        AddOperations(request.Success, then);
        AddOperations(request.Failure, otherwise);
        return request;
    }

    internal static EtcdTransactionResult ToResult(TxnResponse answer)
    {
        var entries = new List<EtcdEntry>();
        foreach (var response in answer.Responses)
        {
            if (response.ResponseCase == ResponseOp.ResponseOneofCase.ResponseRange)
                AddEntries(entries, response.ResponseRange.Kvs);
        }

        return new EtcdTransactionResult(answer.Succeeded, answer.Header.Revision, entries);
    }

    internal static void AddEntries(List<EtcdEntry> entries, RepeatedField<KeyValue> kvs)
    {
        entries.EnsureCapacity(entries.Count + kvs.Count);
        foreach (var kv in kvs)
            entries.Add(ToEntry(kv));
    }

    private static string Text(ByteString bytes, int longest) =>
        bytes.Length <= longest ? bytes.ToStringUtf8() : Encoding.UTF8.GetString(bytes.Span[..longest]);

    private static Compare ToCompare(EtcdCompare condition)
    {
        var compare = new Compare { Key = Bytes(condition.Key), Result = Compare.Types.CompareResult.Equal };
        switch (condition)
        {
            case EtcdCompare.ModRevisionIs c:
                compare.Target = Compare.Types.CompareTarget.Mod;
                compare.ModRevision = c.Revision;
                break;
            case EtcdCompare.VersionIs c:
                compare.Target = Compare.Types.CompareTarget.Version;
                compare.Version = c.Number;
                break;
            case EtcdCompare.ValueIs c:
                compare.Target = Compare.Types.CompareTarget.Value;
                compare.Value = Bytes(c.Text);
                break;
        }

        return compare;
    }

    private static void AddOperations(RepeatedField<RequestOp> to, IReadOnlyList<EtcdOperation> operations)
    {
        foreach (var operation in operations)
        {
            var key = Bytes(operation.Key);
            to.Add(operation switch
            {
                EtcdOperation.PutKey put => new RequestOp
                {
                    RequestPut = new PutRequest { Key = key, Value = Bytes(put.Value), Lease = put.EtcdLease },
                },
                EtcdOperation.DeleteKey => new RequestOp { RequestDeleteRange = new DeleteRangeRequest { Key = key } },
                _ => new RequestOp { RequestRange = new RangeRequest { Key = key } },
            });
        }
    }
}

using Accelerated.Interop.Native;

namespace Accelerated.Interop.Netlink;

/// <summary>Questions to the kernel and their answers over one netlink socket, whatever the family. One caller at a time.</summary>
internal sealed class NetlinkExchange(NetlinkSocket socket, NetlinkWriter writer)
{
    private const int DumpAttempts = 16;

    internal delegate T? Decoder<T>(ReadOnlySpan<byte> payload);

    /// <summary>The number of the latest request.</summary>
    internal uint LastSequence { get; private set; }

    /// <summary>The number for the next request.</summary>
    internal uint NextSequence() => ++LastSequence;

    /// <summary>A request that is answered with one object, or with an error; null for one of the errors that mean "none".</summary>
    internal T? Query<T>(
        string operation, ushort type, ushort answerType, NetlinkWriter payload, Decoder<T> decode, params ReadOnlySpan<int> absent)
        where T : class
    {
        writer.Clear();
        writer.Message(type, Nl.NLM_F_REQUEST, NextSequence(), payload.Written);
        socket.Send(writer.Written);
        while (true)
        {
            var reader = new NetlinkReader(socket.Receive());
            while (reader.TryRead(out var message))
            {
                if (message.Header.nlmsg_seq != LastSequence)
                    continue;
                if (message.Type == answerType)
                    return decode(message.Payload);
                if (message.Type != Nl.NLMSG_ERROR)
                    continue;

                var (errno, text) = message.ReadError();
                if (absent.Contains(errno))
                    return null;
                throw new NetlinkException(operation, errno, text);
            }
        }
    }

    /// <summary>A whole table; empty for one of the errors that mean "none".</summary>
    /// <remarks>
    /// The kernel marks one that changed while it was read (NLM_F_DUMP_INTR): such a reading may lack entries that were there all along, so
    /// it is thrown away.
    /// </remarks>
    internal List<T> Dump<T>(
        string operation, ushort type, ushort answerType, NetlinkWriter payload, Decoder<T> decode, params ReadOnlySpan<int> empty)
        where T : class
    {
        for (var attempt = 1; attempt <= DumpAttempts; attempt++)
        {
            writer.Clear();
            writer.Message(type, Nl.NLM_F_REQUEST | Nl.NLM_F_DUMP, NextSequence(), payload.Written);
            socket.Send(writer.Written);

            var items = new List<T>();
            var (errno, text, interrupted) = ReadDump(answerType, decode, items);
            if (errno != 0 && errno != Errno.EINTR)
                return empty.Contains(errno) ? [] : throw new NetlinkException(operation, errno, text);
            if (errno == 0 && !interrupted)
                return items;
        }

        throw new NetlinkException(operation, Errno.EINTR, $"the table changed during each of {DumpAttempts} readings");
    }

    private (int Errno, string? Text, bool Interrupted) ReadDump<T>(ushort answerType, Decoder<T> decode, List<T> items)
        where T : class
    {
        var interrupted = false;
        NetlinkException? malformed = null;
        while (true)
        {
            var reader = new NetlinkReader(socket.Receive());
            while (reader.TryRead(out var message))
            {
                if (message.Header.nlmsg_seq != LastSequence)
                    continue;
                interrupted |= message.Has(Nl.NLM_F_DUMP_INTR) && message.Type != Nl.NLMSG_ERROR;
                if (message.Type is Nl.NLMSG_DONE or Nl.NLMSG_ERROR)
                {
                    if (malformed is not null)
                        throw malformed;
                    var (errno, text) = message.ReadError();
                    return (errno, text, interrupted);
                }

                // After a bad entry the rest is still read, or the next dump would find this one unfinished (EBUSY).
                if (message.Type != answerType || malformed is not null)
                    continue;
                try
                {
                    if (decode(message.Payload) is { } item)
                        items.Add(item);
                }
                catch (NetlinkException e)
                {
                    malformed = e;
                }
            }
        }
    }
}

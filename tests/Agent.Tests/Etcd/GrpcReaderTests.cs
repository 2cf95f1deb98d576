using Accelerated.Agent.Etcd;
using Accelerated.Agent.Etcd.Proto;
using Google.Protobuf;

namespace Accelerated.Agent.Tests.Etcd;

public class GrpcReaderTests
{
    private static readonly PutRequest First = new() { Key = ByteString.CopyFromUtf8("a"), Value = ByteString.CopyFromUtf8("one") };
    private static readonly PutRequest Second = new() { Key = ByteString.CopyFromUtf8("bc"), Lease = long.MaxValue };

    [Fact]
    public void Frame_OfAMessage_IsZeroByteLengthAndMessage()
    {
        Assert.Equal(Convert.FromHexString("00" + "00000008" + "0A0161" + "12036F6E65"), GrpcReader.Frame(First));
    }

    [Fact]
    public async Task Read_SplitAtEveryByteBoundary_GivesTheSameMessages()
    {
        byte[] bytes = [.. GrpcReader.Frame(First), .. GrpcReader.Frame(new PutRequest()), .. GrpcReader.Frame(Second)];
        for (var split = 0; split <= bytes.Length; split++)
            Assert.Equal([First, new PutRequest(), Second], await ReadAllAsync(new Pieces(bytes[..split], bytes[split..])));

        Assert.Equal([First, new PutRequest(), Second], await ReadAllAsync(new Pieces([.. bytes.Select(b => new[] { b })])));
    }

    [Fact]
    public async Task Read_CutOffAnywhereInsideAMessage_ThrowsEndOfStream()
    {
        var bytes = GrpcReader.Frame(First);
        for (var length = 1; length < bytes.Length; length++)
            await Assert.ThrowsAsync<EndOfStreamException>(() => ReadAllAsync(new Pieces(bytes[..length])));
    }

    [Theory]
    [InlineData("01000000020A00", "compressed")]
    [InlineData("0001000001", "16777217 bytes")]
    [InlineData("00FFFFFFFF", "4294967295 bytes")]
    [InlineData("00000000020AFF", "not etcd's")]
    public async Task Read_OfWhatIsNoMessageOfOurs_SaysWhy(string hex, string words)
    {
        var e = await Assert.ThrowsAnyAsync<SystemException>(() => ReadAllAsync(new Pieces(Convert.FromHexString(hex))));
        Assert.Contains(words, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Read_OfTheLongestMessage_Works()
    {
        var big = new PutRequest { Value = UnsafeByteOperations.UnsafeWrap(new byte[GrpcReader.MaxMessageLength - 5]) };
        Assert.Equal(GrpcReader.MaxMessageLength, big.CalculateSize());
        Assert.Equal([big], await ReadAllAsync(new Pieces(GrpcReader.Frame(big))));
    }

    private static async Task<List<PutRequest>> ReadAllAsync(Stream stream)
    {
        var reader = new GrpcReader(stream);
        var messages = new List<PutRequest>();
        while (await reader.ReadAsync(PutRequest.Parser, TestContext.Current.CancellationToken) is { } message)
            messages.Add(message);

        return messages;
    }

    /// <summary>Hands out no more than one piece per read, as a socket would.</summary>
    private sealed class Pieces(params byte[][] pieces) : MemoryStream
    {
        private readonly Queue<ReadOnlyMemory<byte>> _left = new(pieces.Where(p => p.Length > 0).Select(p => new ReadOnlyMemory<byte>(p)));

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (!_left.TryPeek(out var piece) || buffer.Length == 0)
                return ValueTask.FromResult(0);

            _left.Dequeue();
            var count = Math.Min(piece.Length, buffer.Length);
            piece[..count].CopyTo(buffer);
            if (count < piece.Length)
            {
                var rest = _left.ToArray();
                _left.Clear();
                _left.Enqueue(piece[count..]);
                foreach (var later in rest)
                    _left.Enqueue(later);
            }

            return ValueTask.FromResult(count);
        }
    }
}

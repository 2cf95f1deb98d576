using System.Buffers;
using System.Buffers.Binary;
using Google.Protobuf;

namespace Accelerated.Agent.Etcd;

/// <summary>
/// gRPC's message framing: one byte "compressed", four bytes length (big endian), then the message.
/// </summary>
/// <param name="stream">Body of an answer. Not owned.</param>
internal sealed class GrpcReader(Stream stream)
{
    /// <summary>Longest message that is read; a page of 1,000 subnet leases has about 0.4 MiB.</summary>
    internal const int MaxMessageLength = 16 << 20;

    internal const int PrefixLength = 5;

    // One per stream, so that an idle watch holds five bytes and no message buffer.
    private readonly byte[] _prefix = new byte[PrefixLength];

    /// <summary>Puts the prefix before a message.</summary>
    internal static byte[] Frame(IMessage message)
    {
        var length = message.CalculateSize();
        var frame = new byte[PrefixLength + length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), length);
        message.WriteTo(frame.AsSpan(PrefixLength));
        return frame;
    }

    /// <summary>Reads the next message, however the bytes arrive.</summary>
    /// <returns>The message; null at the end of the stream.</returns>
    /// <exception cref="EndOfStreamException">The stream ends inside a message.</exception>
    /// <exception cref="MessageTooLongException">It is longer than <see cref="MaxMessageLength"/>; nothing of it was read.</exception>
    /// <exception cref="InvalidDataException">Compressed, or not this message.</exception>
    internal async ValueTask<T?> ReadAsync<T>(MessageParser<T> parser, CancellationToken cancellationToken)
        where T : class, IMessage<T>
    {
        var read = await stream.ReadAtLeastAsync(_prefix, PrefixLength, throwOnEndOfStream: false, cancellationToken)
            .ConfigureAwait(false);
        if (read == 0)
            return null;

        if (read < PrefixLength)
            throw new EndOfStreamException("the answer ends inside a message prefix");

        if (_prefix[0] != 0)
            throw new InvalidDataException("it sent a compressed message, which was not offered");

        var length = BinaryPrimitives.ReadUInt32BigEndian(_prefix.AsSpan(1));
        if (length > MaxMessageLength)
            throw new MessageTooLongException(length, MaxMessageLength);

        var buffer = ArrayPool<byte>.Shared.Rent((int)length);
        try
        {
            await stream.ReadExactlyAsync(buffer.AsMemory(0, (int)length), cancellationToken).ConfigureAwait(false);
            return parser.ParseFrom(buffer.AsSpan(0, (int)length));
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new InvalidDataException("it sent a message that is not etcd's", e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}

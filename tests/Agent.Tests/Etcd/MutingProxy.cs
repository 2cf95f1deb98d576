using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>
/// Stands between a client and an etcd without TLS and forwards HTTP/2 frames (RFC 9113, section 4.1). Muted, it swallows what etcd says on the
/// streams there are, and nothing else: the connection's pings go on, and so do new streams. That is a watch that died on etcd's side only.
/// </summary>
internal sealed class MutingProxy : IAsyncDisposable
{
    private const int HeaderLength = 9;
    private const byte DataFrame = 0;
    private const byte HeadersFrame = 1;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Uri _etcd;
    private readonly Task _accepting;
    private int _highest;
    private int _mutedUpTo;

    internal MutingProxy(Uri etcd)
    {
        _etcd = etcd;
        _listener.Start();
        Endpoint = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
        _accepting = AcceptAsync();
    }

    internal Uri Endpoint { get; }

    /// <summary>Connections that were made to it.</summary>
    internal int Connections { get; private set; }

    /// <summary>Swallows what etcd says on every stream that has been answered so far, of the connection there is.</summary>
    internal void Mute() => Volatile.Write(ref _mutedUpTo, Volatile.Read(ref _highest));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            var client = await _listener.AcceptTcpClientAsync(_stop.Token);
            Connections++;
            (_highest, _mutedUpTo) = (0, 0);
            _ = ForwardAsync(client);
        }
    }

    private async Task ForwardAsync(TcpClient client)
    {
        using var server = new TcpClient { NoDelay = true };
        using (client)
        {
            await server.ConnectAsync(IPAddress.Loopback, _etcd.Port, _stop.Token);
            client.NoDelay = true;
            await Task.WhenAny(client.GetStream().CopyToAsync(server.GetStream(), _stop.Token), AnswerAsync(server.GetStream(), client.GetStream()));
        }
    }

    private async Task AnswerAsync(NetworkStream from, NetworkStream to)
    {
        var header = new byte[HeaderLength];
        while (true)
        {
            await from.ReadExactlyAsync(header, _stop.Token);
            var frame = new byte[HeaderLength + ((header[0] << 16) | (header[1] << 8) | header[2])];
            header.CopyTo(frame, 0);
            await from.ReadExactlyAsync(frame.AsMemory(HeaderLength), _stop.Token);
            var (type, stream) = (header[3], BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5)) & int.MaxValue);
            Volatile.Write(ref _highest, Math.Max(_highest, stream));
            if (type is not (DataFrame or HeadersFrame) || stream > Volatile.Read(ref _mutedUpTo))
                await to.WriteAsync(frame, _stop.Token);
        }
    }
}

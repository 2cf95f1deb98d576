using System.Net;
using System.Net.Sockets;
using Accelerated.Interop;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>A socket in one host of the lab that talks with one in another, which sends everything back. One message at a time.</summary>
internal sealed class Conversation : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly Socket _client;
    private readonly Socket _server;
    private readonly ProtocolType _protocol;
    private readonly Socket? _listener;
    private readonly Task _echo;

    private Conversation(Socket client, Socket server, Socket? listener)
    {
        (_client, _server, _listener, _protocol) = (client, server, listener, client.ProtocolType);
        _echo = _protocol == ProtocolType.Udp ? EchoDatagramsAsync() : EchoStreamAsync();
    }

    /// <summary>Whom the server's end takes the client for.</summary>
    public IPAddress ClientSeen { get; private set; } = IPAddress.None;

    /// <summary>The client's socket, connected.</summary>
    public Socket Client => _client;

    /// <summary>Opens a connection.</summary>
    /// <param name="from">The client.</param>
    /// <param name="at">The server.</param>
    /// <param name="address">What the client connects to; the server's own address unless something translates it.</param>
    /// <param name="port">Where the server listens.</param>
    /// <param name="toPort">The port the client connects to, if it is another.</param>
    public static async Task<Conversation> TcpAsync(LabHost from, LabHost at, IPAddress address, int port, int? toPort = null)
    {
        var listener = Open(at, SocketType.Stream, ProtocolType.Tcp);
        var client = Open(from, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(new IPEndPoint(IPAddress.Any, port));
            listener.Listen();
            client.NoDelay = true;
            await client.ConnectAsync(new IPEndPoint(address, toPort ?? port)).WaitAsync(Limit, TestContext.Current.CancellationToken);
            var server = await listener.AcceptAsync().WaitAsync(Limit, TestContext.Current.CancellationToken);
            server.NoDelay = true;
            return new(client, server, listener) { ClientSeen = ((IPEndPoint)server.RemoteEndPoint!).Address };
        }
        catch
        {
            listener.Dispose();
            client.Dispose();
            throw;
        }
    }

    /// <summary>Opens a pair of UDP sockets.</summary>
    public static Conversation Udp(LabHost from, LabHost at, IPAddress address, int port)
    {
        var server = Open(at, SocketType.Dgram, ProtocolType.Udp);
        server.Bind(new IPEndPoint(IPAddress.Any, port));
        var client = Open(from, SocketType.Dgram, ProtocolType.Udp);
        client.Connect(new IPEndPoint(address, port));
        return new(client, server, null);
    }

    /// <summary>A socket in a host of the lab.</summary>
    public static Socket Open(LabHost host, SocketType type, ProtocolType protocol) =>
        NetworkNamespace.Invoke($"{LabLayout.NamespaceDirectory}/{host.Namespace}", () => new Socket(AddressFamily.InterNetwork, type, protocol));

    /// <summary>Sends messages and waits for each to come back as it was sent.</summary>
    /// <exception cref="TimeoutException">An answer did not come: none may be lost.</exception>
    public async Task ExchangeAsync(int count = 1, int size = 64)
    {
        var (sent, back) = (new byte[size], new byte[size]);
        for (var i = 0; i < count; i++)
        {
            Random.Shared.NextBytes(sent);
            await _client.SendAsync(sent).WaitAsync(Limit, TestContext.Current.CancellationToken);
            for (var at = 0; at < size;)
            {
                var received = await _client.ReceiveAsync(back.AsMemory(at)).AsTask().WaitAsync(Limit, TestContext.Current.CancellationToken);
                Assert.True(received > 0, "the connection was closed");
                at += received;
            }

            Assert.Equal(sent, back);
        }
    }

    /// <summary>Closes the server's end, so that nobody listens there any more.</summary>
    public async Task HangUpAsync()
    {
        _listener?.Dispose();
        _server.Dispose();
        await _echo;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _client.Dispose();
        _server.Dispose();
        _listener?.Dispose();
    }

    private async Task EchoDatagramsAsync()
    {
        var buffer = new byte[65536];
        try
        {
            for (; ; )
            {
                var received = await _server.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0));
                ClientSeen = ((IPEndPoint)received.RemoteEndPoint).Address;
                await _server.SendToAsync(buffer.AsMemory(0, received.ReceivedBytes), received.RemoteEndPoint);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end of the conversation. What should have come back and did not is missed by the client.
        }
    }

    private async Task EchoStreamAsync()
    {
        var buffer = new byte[65536];
        try
        {
            for (var received = 1; received > 0;)
            {
                received = await _server.ReceiveAsync(buffer);
                await _server.SendAsync(buffer.AsMemory(0, received));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // As above.
        }
    }
}

using System.Net;
using System.Net.Sockets;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>A talk of datagrams: asks on, answered or not.</summary>
internal sealed class UdpTalk(LabHost client, LabHost server, IPEndPoint target, int port, int size) : Talk
{
    private readonly Socket _client = Open(client, ProtocolType.Udp);
    private readonly Socket _server = Open(server, ProtocolType.Udp);

    /// <inheritdoc/>
    public override int ClientPort => ((IPEndPoint)_client.LocalEndPoint!).Port;

    /// <inheritdoc/>
    protected override async Task BeginAsync()
    {
        _server.Bind(new IPEndPoint(IPAddress.Any, port));
        await _client.ConnectAsync(target, End);
        Run(ServeAsync);
        Run(AskOnAsync);
        Run(ListenAsync);
    }

    /// <inheritdoc/>
    protected override void Close(bool reset)
    {
        _client.Dispose();
        _server.Dispose();
    }

    private async Task ServeAsync()
    {
        var question = new byte[size];
        for (; ; )
        {
            await PermissiveAsync(async () =>
            {
                var got = await _server.ReceiveFromAsync(question, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), End);
                CountHeard();
                await _server.SendToAsync(question.AsMemory(0, got.ReceivedBytes), SocketFlags.None, got.RemoteEndPoint, End);
            });
        }
    }

    private async Task AskOnAsync()
    {
        var question = new byte[size];
        for (; ; )
        {
            Number(question, await AskAsync());
            await PermissiveAsync(async () => await _client.SendAsync(question, SocketFlags.None, End));
        }
    }

    private async Task ListenAsync()
    {
        var answer = new byte[size];
        var seen = new HashSet<long>();
        for (; ; )
        {
            await PermissiveAsync(async () =>
            {
                var got = await _client.ReceiveAsync(answer, SocketFlags.None, End);
                if (got == size && seen.Add(NumberOf(answer)))
                    CountAnswered();
            });
        }
    }

    /// <summary>What a rule or a route does to one datagram (ICMP errors come back through the socket) does not end the talk.</summary>
    private static async Task PermissiveAsync(Func<Task> step)
    {
        try
        {
            await step();
        }
        catch (SocketException)
        {
            // ignoring: the question counts as not answered.
        }
    }
}

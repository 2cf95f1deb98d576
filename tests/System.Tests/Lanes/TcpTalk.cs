using System.Net;
using System.Net.Sockets;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>A talk over one connection: the next question follows the answer to the one before. An answer that differs breaks it.</summary>
internal sealed class TcpTalk(LabHost client, LabHost server, IPEndPoint target, int port, int size) : Talk
{
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);

    private readonly Socket _client = Open(client, ProtocolType.Tcp);
    private readonly Socket _listener = Open(server, ProtocolType.Tcp);
    private Socket? _server;

    /// <inheritdoc/>
    public override int ClientPort => ((IPEndPoint)_client.LocalEndPoint!).Port;

    /// <inheritdoc/>
    protected override async Task BeginAsync()
    {
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(IPAddress.Any, port));
        _listener.Listen();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(End, TestContext.Current.CancellationToken);
        limit.CancelAfter(ConnectLimit);
        try
        {
            await _client.ConnectAsync(target, limit.Token);
            _server = await _listener.AcceptAsync(limit.Token);
        }
        catch (OperationCanceledException e)
        {
            throw new LabException($"no connection from {client.Namespace} to {target} of {server.Namespace} in {ConnectLimit.TotalSeconds} s", e);
        }

        _client.NoDelay = _server.NoDelay = true;
        Run(ServeAsync);
        Run(AskOnAsync);
    }

    /// <inheritdoc/>
    protected override void Close(bool reset)
    {
        if (reset)
            _client.LingerState = new LingerOption(true, 0);
        _client.Dispose();
        _server?.Dispose();
        _listener.Dispose();
    }

    private async Task ServeAsync()
    {
        var question = new byte[size];
        for (; ; )
        {
            await ReadAsync(_server!, question);
            CountHeard();
            await WriteAsync(_server!, question);
        }
    }

    private async Task AskOnAsync()
    {
        var (question, answer) = (new byte[size], new byte[size]);
        for (; ; )
        {
            var number = await AskAsync();
            Array.Fill(question, (byte)number);
            Number(question, number);
            await WriteAsync(_client, question);
            await ReadAsync(_client, answer);
            if (!answer.AsSpan().SequenceEqual(question))
                throw new IOException($"the answer to question {number} is another");
            CountAnswered();
        }
    }

    private async Task WriteAsync(Socket socket, byte[] message)
    {
        for (var sent = 0; sent < message.Length;)
            sent += await socket.SendAsync(message.AsMemory(sent), SocketFlags.None, End);
    }

    private async Task ReadAsync(Socket socket, byte[] message)
    {
        for (var got = 0; got < message.Length;)
        {
            var read = await socket.ReceiveAsync(message.AsMemory(got), SocketFlags.None, End);
            if (read == 0)
                throw new IOException("the other side has closed the connection");
            got += read;
        }
    }
}

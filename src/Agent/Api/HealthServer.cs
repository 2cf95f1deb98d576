using System.Net;
using System.Net.Sockets;
using System.Text;
using Accelerated.Agent.Reconcile;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Api;

/// <summary>
/// flannel's health port: <c>/healthz</c> answers 200 while the agent lives, <c>/readyz</c> 503 until the data plane stands and
/// subnet.env is written, then 200. One request a connection. (HttpListener answers only who names its address in the Host header.)
/// </summary>
public sealed partial class HealthServer(ReconcileLoop loop, ILogger<HealthServer> log)
{
    private const int LongestHead = 8192;
    private const int Backlog = 16;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Opens the port.</summary>
    /// <exception cref="AgentFaultException">It cannot be had; the message names the flags.</exception>
    public static Socket Bind(IPEndPoint endpoint)
    {
        var socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(endpoint);
            socket.Listen(Backlog);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new AgentFaultException(
                $"the health port {endpoint} cannot be opened: {e.Message}. Choose another with --healthz-port, an address of this host with --healthz-ip, or --healthz-port=0 for none", e);
        }
    }

    /// <summary>Answers until cancelled.</summary>
    public async Task RunAsync(Socket listener, CancellationToken cancellation)
    {
        for (; ; )
        {
            var client = await listener.AcceptAsync(cancellation).ConfigureAwait(false);
            _ = ServeAsync(client, cancellation);
        }
    }

    private async Task ServeAsync(Socket client, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        try
        {
            await using var stream = new NetworkStream(client, ownsSocket: true);
            var head = new byte[LongestHead];
            var used = 0;
            // The whole head: a socket that is closed over unread bytes resets the answer away.
            while (used < head.Length && head.AsSpan(0, used).IndexOf("\r\n\r\n"u8) < 0)
            {
                var read = await stream.ReadAsync(head.AsMemory(used), limit.Token).ConfigureAwait(false);
                if (read == 0)
                    return;
                used += read;
            }

            await stream.WriteAsync(Answer(Encoding.Latin1.GetString(head, 0, used).Split("\r\n")[0].Split(' ')), limit.Token).ConfigureAwait(false);
            client.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
        {
            // A probe that went away is no event.
            LogClientGone(e.Message);
        }
    }

    private byte[] Answer(string[] request)
    {
        var path = request is [_, var target, ..] ? target.Split('?')[0] : "";
        var (status, text) = request switch
        {
            not ["GET" or "HEAD", _, _] => ("405 Method Not Allowed", "only GET and HEAD"),
            _ when path == "/healthz" => ("200 OK", "flanneld is running"),
            _ when path == "/readyz" => loop.Outcome.Ready ? ("200 OK", "ready") : ("503 Service Unavailable", "not ready: see accelerated status"),
            _ => ("404 Not Found", "only /healthz and /readyz"),
        };
        var body = request[0] == "HEAD" ? "" : text;
        return Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {text.Length}\r\nConnection: close\r\n\r\n{body}");
    }

    [LoggerMessage(4101, LogLevel.Debug, "a health probe went away: {Reason}")]
    private partial void LogClientGone(string reason);
}

using System.Net.Sockets;
using System.Text;

namespace Accelerated.Agent.Api;

/// <summary>Asks a running agent.</summary>
public static class StatusClient
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    /// <summary>The agent's answer: one line of JSON as the agent wrote it.</summary>
    /// <param name="socketPath">The agent's socket.</param>
    /// <exception cref="IOException">No agent answers; the message says why and what to do.</exception>
    public static async Task<string> QueryAsync(string socketPath)
    {
        using var limit = new CancellationTokenSource(Limit);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), limit.Token).ConfigureAwait(false);
            await using var stream = new NetworkStream(socket);
            await stream.WriteAsync("{\"method\":\"status\"}\n"u8.ToArray(), limit.Token).ConfigureAwait(false);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            return await reader.ReadLineAsync(limit.Token).ConfigureAwait(false)
                ?? throw new IOException($"the agent at {socketPath} hung up: look into its log");
        }
        catch (SocketException e)
        {
            throw new IOException(e.SocketErrorCode == SocketError.AccessDenied
                ? $"{socketPath} may not be opened: run as root or as a member of the socket's group"
                : $"no agent answers at {socketPath} ({(File.Exists(socketPath) ? "it has ended" : "no such socket")}): is it running (systemctl status accelerated), and with this --run-dir and --instance?", e);
        }
        catch (OperationCanceledException e)
        {
            throw new IOException($"the agent at {socketPath} does not answer within {Limit.TotalSeconds:0} s: it hangs; look into its log and restart it", e);
        }
    }
}

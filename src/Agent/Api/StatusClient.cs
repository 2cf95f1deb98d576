using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

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
        try
        {
            await foreach (var line in AskAsync(socketPath, new("status"), limit.Token).ConfigureAwait(false))
                return line;
            throw new IOException($"the agent at {socketPath} hung up: look into its log");
        }
        catch (OperationCanceledException e)
        {
            throw new IOException($"the agent at {socketPath} does not answer within {Limit.TotalSeconds:0} s: this host is overloaded, or the agent hangs; ask again, look into its log, then restart it", e);
        }
    }

    /// <summary>The lines of the agent's answer as it wrote them, until it hangs up.</summary>
    /// <param name="socketPath">The agent's socket.</param>
    /// <param name="request">What to ask for.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="IOException">No agent answers; the message says why and what to do.</exception>
    public static async IAsyncEnumerable<string> AskAsync(
        string socketPath, ApiRequest request, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await ConnectAsync(socket, socketPath, cancellation).ConfigureAwait(false);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(request, ApiJson.Default.ApiRequest) + "\n"), cancellation).ConfigureAwait(false);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        while (await reader.ReadLineAsync(cancellation).ConfigureAwait(false) is { } line)
            yield return line;
    }

    private static async Task ConnectAsync(Socket socket, string path, CancellationToken cancellation)
    {
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation).ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            throw new IOException(e.SocketErrorCode == SocketError.AccessDenied
                ? $"{path} may not be opened: run as root or as a member of the socket's group"
                : $"no agent answers at {path} ({(File.Exists(path) ? "it has ended" : "no such socket")}): is it running (systemctl status accelerated), and with this --run-dir and --instance?", e);
        }
    }
}

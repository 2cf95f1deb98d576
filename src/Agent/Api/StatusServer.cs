using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Api;

/// <summary>
/// The agent's unix socket: a line of JSON in, a line of JSON out, as often as the client likes. Root and the socket's group may
/// connect (0660).
/// </summary>
public sealed partial class StatusServer(StatusReporter reporter, ILogger<StatusServer> log)
{
    private const int LongestRequest = 4096;
    private const int Backlog = 16;
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(30);

    /// <summary>Makes the socket. The instance lock is held, so a file in its place is a dead agent's.</summary>
    /// <exception cref="AgentFaultException">The path cannot be used.</exception>
    public static Socket Bind(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            File.Delete(path);
            socket.Bind(new UnixDomainSocketEndPoint(path));
            // Before listen(): nobody can connect with the wrong permissions in between.
            File.SetUnixFileMode(path, Mode);
            socket.Listen(Backlog);
            return socket;
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            socket.Dispose();
            throw new AgentFaultException($"the status socket {path} cannot be made: {e.Message}. Choose a short, writable directory with --run-dir", e);
        }
    }

    /// <summary>Serves until cancelled.</summary>
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
        try
        {
            await using var stream = new NetworkStream(client, ownsSocket: true);
            var buffer = new byte[LongestRequest];
            for (var used = 0; ;)
            {
                var end = buffer.AsSpan(0, used).IndexOf((byte)'\n');
                if (end < 0 && used < LongestRequest)
                {
                    limit.CancelAfter(IdleLimit);
                    var read = await stream.ReadAsync(buffer.AsMemory(used), limit.Token).ConfigureAwait(false);
                    if (read == 0)
                        return;
                    used += read;
                    continue;
                }

                await stream.WriteAsync(Answer(buffer.AsSpan(0, Math.Max(end, 0))), limit.Token).ConfigureAwait(false);
                if (end < 0)
                    return;
                buffer.AsSpan(end + 1, used - end - 1).CopyTo(buffer);
                used -= end + 1;
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
        {
            // A client that went away is no event.
            LogClientGone(e.Message);
        }
    }

    private byte[] Answer(ReadOnlySpan<byte> request)
    {
        string? method;
        try
        {
            method = JsonSerializer.Deserialize(request, ApiJson.Default.ApiRequest)?.Method;
        }
        catch (JsonException)
        {
            method = null;
        }

        var json = method == "status"
            ? JsonSerializer.Serialize(reporter.Report(), ApiJson.Default.StatusReport)
            : JsonSerializer.Serialize(new ApiError("""expected one line of JSON like {"method":"status"}; the methods are: status"""), ApiJson.Default.ApiError);
        return Encoding.UTF8.GetBytes(json + "\n");
    }

    [LoggerMessage(4001, LogLevel.Debug, "a status client went away: {Reason}")]
    private partial void LogClientGone(string reason);
}

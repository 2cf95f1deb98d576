using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Accelerated.Agent.Datapath;
using Accelerated.Agent.Reconcile;
using Accelerated.Interop;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Api;

/// <summary>
/// The agent's unix socket: a line of JSON in, a line of JSON out, as often as the client likes. Root and the socket's group may
/// connect (0660).
/// </summary>
public sealed partial class StatusServer(
    StatusReporter reporter, IDatapath datapath, NftablesFirewall firewall, ContainerLook look, TimeProvider time, ILogger<StatusServer> log)
{
    private const int LongestRequest = 4096;
    private const int Backlog = 16;
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan DropInterval = TimeSpan.FromMilliseconds(200);

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

                var request = Parse(buffer.AsSpan(0, Math.Max(end, 0)));
                if (request?.Method == "drops")
                {
                    await SendDropsAsync(stream, request.Follow, limit).ConfigureAwait(false);
                    return;
                }

                await stream.WriteAsync(await AnswerAsync(request, limit.Token).ConfigureAwait(false), limit.Token).ConfigureAwait(false);
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
        catch (NativeException e)
        {
            LogUnanswered(e.Message);
        }
    }

    /// <summary>Sends what the guard refuses, until the client hangs up or does not read.</summary>
    private async Task SendDropsAsync(NetworkStream stream, bool follow, CancellationTokenSource limit)
    {
        var reader = new DropReader(datapath, firewall, time);
        // A client has nothing more to say: what ends this read is its end.
        var gone = stream.ReadAsync(new byte[1], limit.Token).AsTask();
        do
        {
            limit.CancelAfter(IdleLimit);
            foreach (var line in reader.Read())
                await stream.WriteAsync(Line(JsonSerializer.Serialize(line, ApiJson.Default.DropLine)), limit.Token).ConfigureAwait(false);
            limit.CancelAfter(Timeout.InfiniteTimeSpan);
        }
        while (follow && await Task.WhenAny(gone, Task.Delay(DropInterval, limit.Token)).ConfigureAwait(false) != gone && !limit.IsCancellationRequested);
    }

    private static ApiRequest? Parse(ReadOnlySpan<byte> request)
    {
        try
        {
            return JsonSerializer.Deserialize(request, ApiJson.Default.ApiRequest);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private async Task<byte[]> AnswerAsync(ApiRequest? request, CancellationToken cancellation) => Line(request?.Method switch
    {
        "status" => JsonSerializer.Serialize(reporter.Report(), ApiJson.Default.StatusReport),
        "look" => JsonSerializer.Serialize(new LookAnswer(await look.LookAsync(request.Addresses ?? [], cancellation).ConfigureAwait(false)), ApiJson.Default.LookAnswer),
        _ => JsonSerializer.Serialize(new ApiError("""expected one line of JSON like {"method":"status"}; the methods are: status, drops, look"""), ApiJson.Default.ApiError),
    });

    private static byte[] Line(string json) => Encoding.UTF8.GetBytes(json + "\n");

    [LoggerMessage(4001, LogLevel.Debug, "a status client went away: {Reason}")]
    private partial void LogClientGone(string reason);

    [LoggerMessage(4002, LogLevel.Warning, "a status client got no whole answer: {Reason}")]
    private partial void LogUnanswered(string reason);
}

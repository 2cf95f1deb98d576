using System.Net;
using System.Net.Sockets;
using System.Text;
using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

/// <summary>Servers that are no etcd.</summary>
public class EtcdForeignServerTests
{
    private static readonly byte[] Settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nhtml", "does not speak HTTP/2")]
    [InlineData("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "does not speak HTTP/2")]
    [InlineData("\x15\x03\x01\x00\x02\x02\x46", "if it is a TLS port, write https://")]
    [InlineData("", "if it is a TLS port, write https://")]
    public async Task Call_ToAServerOfAnotherProtocol_SaysSo(string answer, string words)
    {
        await using var server = new Server(Encoding.Latin1.GetBytes(answer));
        await using var client = server.NewClient();
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.PutAsync("k", "v", 0, Ct));
        Assert.StartsWith($"etcd at http://127.0.0.1:{server.Endpoint.Port}: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(words, e.Message, StringComparison.Ordinal);
        Assert.False(e.OutcomeUnknown);
    }

    [Fact]
    public async Task Call_ToAnHttp2ServerThatIsNotGrpc_SaysWhatItAnswered()
    {
        // HEADERS on stream 1 with END_STREAM: :status 404 (static table index 13), content-type (31) literal text/html.
        byte[] block = [0x80 | 13, 0x0f, 31 - 15, 9, .. "text/html"u8];
        await using var server = new Server([.. Settings, 0, 0, (byte)block.Length, 1, 5, 0, 0, 0, 1, .. block]);
        await using var client = server.NewClient();
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.PutAsync("k", "v", 0, Ct));
        Assert.Contains("answered HTTP 404 with text/html, which is not etcd's v3 API", e.Message, StringComparison.Ordinal);
        Assert.Equal((EtcdStatusCode.Unimplemented, false, false), (e.Code, e.IsTransient, e.OutcomeUnknown));
    }

    [Fact]
    public async Task Call_AnsweredWithTrailersOnly_TellsTheStatus()
    {
        // :status 200 (index 8), content-type (31) application/grpc, grpc-status 14, grpc-message.
        byte[] block =
        [
            0x88, 0x0f, 31 - 15, 16, .. "application/grpc"u8, 0, 11, .. "grpc-status"u8, 2, .. "14"u8,
            0, 12, .. "grpc-message"u8, 23, .. "etcdserver: no%20leader"u8,
        ];
        await using var server = new Server([.. Settings, 0, 0, (byte)block.Length, 1, 5, 0, 0, 0, 1, .. block]);
        await using var client = server.NewClient();
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.PutAsync("k", "v", 0, Ct));
        Assert.Equal($"etcd at http://127.0.0.1:{server.Endpoint.Port}: etcdserver: no leader", e.Message);
        Assert.Equal((EtcdStatusCode.Unavailable, true, false), (e.Code, e.IsTransient, e.OutcomeUnknown));
    }

    [Fact]
    public async Task Write_WhoseAnswerIsCutOff_HasAnUnknownOutcome()
    {
        // :status 200 and content-type without END_STREAM, then the connection ends.
        byte[] block = [0x88, 0x0f, 31 - 15, 16, .. "application/grpc"u8];
        await using var server = new Server([.. Settings, 0, 0, (byte)block.Length, 1, 4, 0, 0, 0, 1, .. block]);
        await using var client = server.NewClient();
        var e = await Assert.ThrowsAsync<EtcdException>(() => client.PutAsync("k", "v", 0, Ct));
        Assert.Equal((EtcdStatusCode.Unavailable, true, true), (e.Code, e.IsTransient, e.OutcomeUnknown));
        Assert.EndsWith("; whether the write happened is not known", e.Message, StringComparison.Ordinal);
    }

    // Packets are dropped behind a connection that had just come up: an agent that took that for another protocol ended.
    [Fact]
    public async Task Call_ToAServerThatFallsSilent_MayBeTriedAgain()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var silence = FallSilentAsync(listener);
        await using (var client = new EtcdClient(
            new EtcdClientOptions { Endpoints = [new Uri($"http://{listener.LocalEndpoint}")], RequestTimeout = TimeSpan.FromMinutes(1) }, TimeProvider.System))
        {
            var e = await Assert.ThrowsAsync<EtcdException>(() => client.PutAsync("k", "v", 0, Ct));
            Assert.Contains("ping", e.Message, StringComparison.Ordinal);
            Assert.True(e.IsTransient);
        }

        await silence;
    }

    private static async Task FallSilentAsync(TcpListener listener)
    {
        using var socket = await listener.AcceptSocketAsync(Ct);
        await socket.SendAsync(Settings);
        try
        {
            while (await socket.ReceiveAsync(new byte[4096]) > 0)
            {
                // Not a word.
            }
        }
        catch (SocketException)
        {
            // The client has given up.
        }
    }

    /// <summary>Answers every connection, once something was said to it, with the same bytes and then ends it.</summary>
    private sealed class Server : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _serving;

        internal Server(byte[] answer)
        {
            _listener.Start();
            Endpoint = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");
            _serving = ServeAsync(answer);
        }

        internal Uri Endpoint { get; }

        internal EtcdClient NewClient() => new(new EtcdClientOptions { Endpoints = [Endpoint] }, TimeProvider.System);

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _serving;
            _listener.Stop();
            _stop.Dispose();
        }

        private async Task ServeAsync(byte[] answer)
        {
            while (true)
            {
                Socket socket;
                try
                {
                    socket = await _listener.AcceptSocketAsync(_stop.Token);
                }
                catch (OperationCanceledException)
                {
                    return;
                }

                using (socket)
                {
                    var heard = new List<byte>();
                    var buffer = new byte[4096];
                    while (!IsComplete(heard, answer))
                    {
                        var count = await socket.ReceiveAsync(buffer);
                        if (count == 0)
                            break;

                        heard.AddRange(buffer[..count]);
                    }

                    await socket.SendAsync(answer);
                    socket.Shutdown(SocketShutdown.Send);
                    while (await socket.ReceiveAsync(buffer) > 0)
                    {
                        // An end while the client still writes would be a reset, which may overtake the answer.
                    }
                }
            }
        }

        /// <summary>An answer in HTTP/2 waits for the whole request, so that its stream exists: up to END_STREAM on stream 1.</summary>
        private static bool IsComplete(List<byte> heard, byte[] answer)
        {
            if (answer.Length == 0 || answer[0] != 0)
                return heard.Count > 0;

            const int preface = 24;
            for (var at = preface; at + 9 <= heard.Count;)
            {
                var length = (heard[at] << 16) | (heard[at + 1] << 8) | heard[at + 2];
                var isEndOfRequest = heard[at + 3] == 0 && (heard[at + 4] & 1) != 0;
                at += 9 + length;
                if (isEndOfRequest && at <= heard.Count)
                    return true;
            }

            return false;
        }
    }
}

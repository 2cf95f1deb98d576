using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Accelerated.Interop;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>
/// A flow that goes on while something else is done to the network: one side asks, numbered, and the other gives every question back.
/// The sockets are this process's own, opened in the namespaces of the two hosts.
/// </summary>
internal abstract class Talk : IAsyncDisposable
{
    /// <summary>Time between two questions.</summary>
    protected static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(5);

    /// <summary>Without an answer for this long, a flow counts as stopped.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource _end = new();
    private readonly List<Task> _tasks = [];
    private long _asked;
    private long _heard;
    private long _answered;
    private volatile bool _paused;

    /// <summary>Questions sent.</summary>
    public long Asked => Interlocked.Read(ref _asked);

    /// <summary>Questions that arrived at the other side.</summary>
    public long Heard => Interlocked.Read(ref _heard);

    /// <summary>Questions that were answered.</summary>
    public long Answered => Interlocked.Read(ref _answered);

    /// <summary>What broke the connection, or null.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>The local port of the side that asks.</summary>
    public abstract int ClientPort { get; }

    /// <summary>Ends the waiting of both sides.</summary>
    protected CancellationToken End => _end.Token;

    /// <summary>Begins to ask.</summary>
    /// <param name="protocol"><c>tcp</c> or <c>udp</c>.</param>
    /// <param name="client">Who asks.</param>
    /// <param name="server">Who answers, on every address of its own.</param>
    /// <param name="target">The address that is asked; the server's own, or one that is translated to it.</param>
    /// <param name="port">The server's port.</param>
    /// <param name="size">Bytes of a question.</param>
    /// <param name="targetPort">The port that is asked, where it is another one.</param>
    public static async Task<Talk> StartAsync(
        string protocol, LabHost client, LabHost server, IPAddress target, int port = 7000, int size = 64, int? targetPort = null)
    {
        var there = new IPEndPoint(target, targetPort ?? port);
        Talk talk = protocol == "tcp" ? new TcpTalk(client, server, there, port, size) : new UdpTalk(client, server, there, port, size);
        try
        {
            await talk.BeginAsync();
            return talk;
        }
        catch
        {
            await talk.DisposeAsync();
            throw;
        }
    }

    /// <summary>The same between two containers.</summary>
    public static Task<Talk> StartAsync(string protocol, LabPod client, LabPod server, int port = 7000, int size = 64) =>
        StartAsync(protocol, client, server, server.Address, port, size);

    /// <summary>Opens a socket in the namespace of a host.</summary>
    public static Socket Open(LabHost host, ProtocolType protocol) =>
        NetworkNamespace.Invoke(
            $"{LabLayout.NamespaceDirectory}/{host.Namespace}",
            () => new Socket(AddressFamily.InterNetwork, protocol == ProtocolType.Udp ? SocketType.Dgram : SocketType.Stream, protocol));

    /// <summary>Waits until some more questions have been answered than now.</summary>
    /// <exception cref="LabException">They are not answered in time.</exception>
    public Task WaitAnswersAsync(int count, TimeSpan? deadline = null)
    {
        var wanted = Answered + count;
        return Wait.UntilAsync($"{count} more answers", () => Answered >= wanted || Failure is not null, deadline, Describe, TestContext.Current.CancellationToken);
    }

    /// <summary>Waits until nothing is answered any more although it is asked.</summary>
    /// <exception cref="LabException">Answers keep coming.</exception>
    public Task WaitSilenceAsync(TimeSpan? deadline = null)
    {
        var (last, since) = (Answered, Environment.TickCount64);
        return Wait.UntilAsync("the flow to stop", () =>
        {
            if (Answered != last)
                (last, since) = (Answered, Environment.TickCount64);
            return Environment.TickCount64 - since >= Silence.TotalMilliseconds;
        }, deadline, Describe, TestContext.Current.CancellationToken);
    }

    /// <summary>Asks nothing until <see cref="Resume"/>.</summary>
    public void Pause() => _paused = true;

    /// <summary>Goes on asking.</summary>
    public void Resume() => _paused = false;

    /// <summary>Ends the connection as its protocol has it, or by a reset, and stops asking.</summary>
    public async Task EndAsync(bool reset = false)
    {
        await _end.CancelAsync();
        await Task.WhenAll(_tasks);
        Close(reset);
    }

    /// <summary>What is known of the flow, for errors.</summary>
    public string Describe() => $"{Asked} asked, {Heard} heard, {Answered} answered{(Failure is null ? "" : $", broken by {Failure.Message}")}";

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _end.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Connects the two sides and gives their work to <see cref="Run"/>.</summary>
    protected abstract Task BeginAsync();

    /// <summary>Closes the sockets.</summary>
    protected abstract void Close(bool reset);

    /// <summary>Counts a question and gives its number; waits while the talk is paused.</summary>
    protected async Task<long> AskAsync()
    {
        do
            await Task.Delay(Interval, End);
        while (_paused);
        return Interlocked.Increment(ref _asked);
    }

    /// <summary>Counts a question that has arrived.</summary>
    protected void CountHeard() => Interlocked.Increment(ref _heard);

    /// <summary>Counts an answer.</summary>
    protected void CountAnswered() => Interlocked.Increment(ref _answered);

    /// <summary>Does something until the end; what ends it earlier is the failure.</summary>
    protected void Run(Func<Task> work) => _tasks.Add(Task.Run(async () =>
    {
        try
        {
            await work();
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            if (!_end.IsCancellationRequested)
                Failure ??= e;
        }
    }));

    /// <summary>Writes the number of a question into it.</summary>
    protected static void Number(byte[] question, long number) => BinaryPrimitives.WriteInt64BigEndian(question, number);

    /// <summary>Reads the number of an answer.</summary>
    protected static long NumberOf(ReadOnlySpan<byte> answer) => BinaryPrimitives.ReadInt64BigEndian(answer);
}

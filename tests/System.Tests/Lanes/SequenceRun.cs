using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Lanes;

/// <summary>Numbered datagrams from one host of the lab to another and back, about a thousand a second.</summary>
internal sealed class SequenceRun : IDisposable
{
    private const int SOL_SOCKET = 1;
    private const int SO_RCVBUFFORCE = 33;

    // Many times what comes while the receiving thread waits for its turn on a busy machine.
    private const int ReceiveBuffer = 64 << 20;

    private readonly Socket _client;
    private readonly Socket _server;
    private readonly Thread[] _threads;
    private readonly HashSet<int> _there = [];
    private readonly HashSet<int> _back = [];
    private volatile bool _stopSending;
    private volatile bool _stop;
    private int _sent;

    public SequenceRun(LabHost from, LabHost at, IPAddress address, int port)
    {
        _server = Conversation.Open(at, SocketType.Dgram, ProtocolType.Udp);
        _server.Bind(new IPEndPoint(IPAddress.Any, port));
        _client = Conversation.Open(from, SocketType.Dgram, ProtocolType.Udp);
        _client.Connect(new IPEndPoint(address, port));
        foreach (var socket in (Socket[])[_server, _client])
        {
            socket.SetRawSocketOption(SOL_SOCKET, SO_RCVBUFFORCE, BitConverter.GetBytes(ReceiveBuffer));
            // So that the threads end by themselves: no socket is closed under one that waits in it.
            socket.ReceiveTimeout = 200;
        }

        _threads = [.. ((Action[])[Send, Echo, Receive]).Select(work => new Thread(() => Until(work)) { IsBackground = true })];
        foreach (var thread in _threads)
            thread.Start();
    }

    /// <summary>How many have been sent.</summary>
    public int Sent => Volatile.Read(ref _sent);

    /// <summary>How many have come back.</summary>
    public int Back
    {
        get
        {
            lock (_back)
                return _back.Count;
        }
    }

    /// <summary>Waits until some more have come back.</summary>
    public Task WaitAsync(int count)
    {
        var wanted = Back + count;
        return Wait.UntilAsync($"{count} more datagrams", () => Back >= wanted, cancel: TestContext.Current.CancellationToken);
    }

    /// <summary>Stops sending, waits for what is under way, and gives the numbers that did not arrive there, and not back here.</summary>
    public async Task<(int[] There, int[] Back)> StopAsync()
    {
        _stopSending = true;
        _threads[0].Join();
        // What is missing after that is lost: the way takes a millisecond.
        var deadline = TimeProvider.System.GetTimestamp();
        while (Back < Sent && TimeProvider.System.GetElapsedTime(deadline) < TimeSpan.FromSeconds(5))
            await Task.Delay(10, TestContext.Current.CancellationToken);
        lock (_there)
        {
            lock (_back)
                return ([.. Enumerable.Range(0, _sent).Where(n => !_there.Contains(n))], [.. Enumerable.Range(0, _sent).Where(n => !_back.Contains(n))]);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopSending = _stop = true;
        foreach (var thread in _threads)
            thread.Join();
        _client.Dispose();
        _server.Dispose();
    }

    private void Send()
    {
        Span<byte> number = stackalloc byte[64];
        while (!_stopSending)
        {
            BinaryPrimitives.WriteInt32BigEndian(number, _sent);
            _client.Send(number);
            _sent++;
            // The pace, not a wait for anything: about a thousand a second.
            Thread.Sleep(1);
        }
    }

    private void Echo()
    {
        var buffer = new byte[100];
        EndPoint client = new IPEndPoint(IPAddress.Any, 0);
        while (!_stop)
        {
            if (Received(() => _server.ReceiveFrom(buffer, ref client)) is not { } length)
                continue;
            lock (_there)
                _there.Add(BinaryPrimitives.ReadInt32BigEndian(buffer));
            _server.SendTo(buffer.AsSpan(0, length), client);
        }
    }

    private void Receive()
    {
        var buffer = new byte[100];
        while (!_stop)
        {
            if (Received(() => _client.Receive(buffer)) is null)
                continue;
            lock (_back)
                _back.Add(BinaryPrimitives.ReadInt32BigEndian(buffer));
        }
    }

    // Null when nothing came for a while.
    private static int? Received(Func<int> receive)
    {
        try
        {
            return receive();
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
        {
            return null;
        }
    }

    private static void Until(Action work)
    {
        try
        {
            work();
        }
        catch (SocketException)
        {
            // The thread ends here, and every number that it does not carry is missing.
        }
    }
}

using System.Runtime.InteropServices;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Netlink;

/// <summary>Reads the notifications of one netlink socket on a thread of its own until it is disposed. Shared by all monitors.</summary>
internal sealed unsafe class NotificationLoop : IDisposable
{
    private readonly NetlinkSocket _socket;
    private readonly FileDescriptor _wake;
    private readonly MessageHandler _onMessage;
    private readonly Action _onOverrun;
    private readonly Action<Exception>? _onFailure;
    private readonly Thread _thread;
    private volatile Exception? _failure;
    private volatile bool _stopping;
    private int _disposed;

    private NotificationLoop(
        string name, NetlinkSocket socket, FileDescriptor wake, MessageHandler onMessage, Action onOverrun, Action<Exception>? onFailure)
    {
        _socket = socket;
        _wake = wake;
        _onMessage = onMessage;
        _onOverrun = onOverrun;
        _onFailure = onFailure;
        _thread = new(Run) { IsBackground = true, Name = name };
    }

    internal delegate void MessageHandler(in NetlinkMessage message);

    /// <summary>Why the loop ended by itself; null while it runs and after an orderly end.</summary>
    internal Exception? Failure => _failure;

    /// <summary>Opens the socket in the calling thread's network namespace and joins the groups; nothing after the return is missed.</summary>
    internal static NotificationLoop Start(
        string name,
        int protocol,
        ReadOnlySpan<uint> groups,
        int receiveBuffer,
        MessageHandler onMessage,
        Action onOverrun,
        Action<Exception>? onFailure)
    {
        var socket = NetlinkSocket.Open(protocol, name, receiveBuffer);
        FileDescriptor? wake = null;
        try
        {
            wake = new FileDescriptor(Libc.eventfd(0, Libc.EFD_CLOEXEC));
            if (wake.IsInvalid)
                throw NativeException.FromLastError("create eventfd");
            foreach (var group in groups)
                socket.JoinGroup(group);

            var loop = new NotificationLoop(name, socket, wake, onMessage, onOverrun, onFailure);
            loop._thread.Start();
            return loop;
        }
        catch
        {
            wake?.Dispose();
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Ends the loop. Returns when no callback runs any more, unless called from within one.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            // In this order: once told to stop, the thread closes the descriptor that is written to here.
            var one = 1UL;
            _ = Libc.write(_wake, &one, sizeof(ulong)); // Cannot fail: an eventfd takes 2^64 - 2 of these.
            _stopping = true;
        }

        if (Thread.CurrentThread == _thread)
            return; // From within a callback: the thread closes the descriptors when it ends.
        _thread.Join();
        Close();
    }

    private void Run()
    {
        try
        {
            while (!_stopping)
            {
                if (WaitForData())
                    Drain();
            }
        }
        catch (Exception e) // The boundary of a thread: what is not reported here would end the process.
        {
            _failure = e;
            _onFailure?.Invoke(e);
        }

        if (_stopping)
            Close();
    }

    private bool WaitForData()
    {
        var fds = stackalloc PollFd[2];
        fds[0] = new() { fd = (int)_socket.Descriptor.DangerousGetHandle(), events = Libc.POLLIN };
        fds[1] = new() { fd = (int)_wake.DangerousGetHandle(), events = Libc.POLLIN };
        if (Libc.poll(fds, 2, -1) < 0 && Marshal.GetLastPInvokeError() != Errno.EINTR)
            throw NativeException.FromLastError("wait for notifications");
        return fds[1].revents == 0 && fds[0].revents != 0; // POLLERR too: the error is read by receiving.
    }

    private void Drain()
    {
        while (!_stopping)
        {
            ReadOnlySpan<byte> datagram;
            try
            {
                datagram = _socket.Receive(nonBlocking: true);
            }
            catch (NetlinkException e) when (e.Errno == Errno.ENOBUFS)
            {
                // The kernel says so once per overrun; what is still queued is older than what was lost.
                _onOverrun();
                continue;
            }

            if (datagram.IsEmpty)
                return;
            var reader = new NetlinkReader(datagram);
            while (!_stopping && reader.TryRead(out var message))
                _onMessage(message);
        }
    }

    private void Close()
    {
        _wake.Dispose();
        _socket.Dispose();
    }
}

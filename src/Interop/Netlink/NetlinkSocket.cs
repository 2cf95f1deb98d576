using System.Runtime.InteropServices;
using Accelerated.Interop.Native;

namespace Accelerated.Interop.Netlink;

/// <summary>A netlink socket: send a buffer, receive a datagram that is never cut short. Knows neither messages nor families.</summary>
internal sealed unsafe class NetlinkSocket : IDisposable
{
    /// <summary>The receive buffer asked for, in bytes: room for some 5,000 small notifications.</summary>
    internal const int DefaultReceiveBuffer = 4 << 20;

    private readonly string _name;
    private readonly FileDescriptor _fd;

    // The kernel fills dump datagrams up to 32 KiB; anything larger grows it.
    private byte[] _buffer = new byte[64 << 10];

    private NetlinkSocket(string name, FileDescriptor fd, uint portId)
    {
        _name = name;
        _fd = fd;
        PortId = portId;
    }

    /// <summary>The socket's netlink address, which the kernel chose and names in notifications as the cause.</summary>
    internal uint PortId { get; }

    /// <summary>For poll(2) while this object is alive.</summary>
    internal FileDescriptor Descriptor => _fd;

    /// <summary>Opens a socket in the network namespace of the calling thread.</summary>
    /// <exception cref="NetlinkException">The kernel has no such family, or too many descriptors are open.</exception>
    internal static NetlinkSocket Open(int protocol, string name, int receiveBuffer = DefaultReceiveBuffer)
    {
        var fd = new FileDescriptor(Libc.socket(Libc.AF_NETLINK, Libc.SOCK_RAW | Libc.SOCK_CLOEXEC, protocol));
        try
        {
            if (fd.IsInvalid)
                throw LastError($"open {name} socket");

            var raw = (int)fd.DangerousGetHandle();
            var address = new SockAddrNl { nl_family = Libc.AF_NETLINK };
            if (Libc.bind(raw, &address, (uint)sizeof(SockAddrNl)) != 0)
                throw LastError($"bind {name} socket");
            var length = (uint)sizeof(SockAddrNl);
            if (Libc.getsockname(raw, &address, &length) != 0)
                throw LastError($"read the address of the {name} socket");

            // SO_RCVBUFFORCE needs CAP_NET_ADMIN in the initial user namespace; without it net.core.rmem_max is the limit,
            // and without either the default stands, which only makes overruns come earlier.
            if (Libc.setsockopt(fd, Libc.SOL_SOCKET, Libc.SO_RCVBUFFORCE, &receiveBuffer, sizeof(int)) != 0)
                _ = Libc.setsockopt(fd, Libc.SOL_SOCKET, Libc.SO_RCVBUF, &receiveBuffer, sizeof(int));

            return new(name, fd, address.nl_pid);
        }
        catch
        {
            fd.Dispose();
            throw;
        }
    }

    /// <summary>Asks for a netlink behaviour that an old kernel may not have; false if it has not.</summary>
    internal bool TryEnable(int option)
    {
        var on = 1;
        return Libc.setsockopt(_fd, Nl.SOL_NETLINK, option, &on, sizeof(int)) == 0;
    }

    internal void JoinGroup(uint group)
    {
        if (Libc.setsockopt(_fd, Nl.SOL_NETLINK, Nl.NETLINK_ADD_MEMBERSHIP, &group, sizeof(uint)) != 0)
            throw LastError($"join {_name} group {group}");
    }

    /// <summary>Bounds how long <see cref="Receive"/> waits; afterwards it throws EAGAIN.</summary>
    internal void SetReceiveTimeout(TimeSpan timeout)
    {
        var value = new TimeVal { tv_sec = (long)timeout.TotalSeconds, tv_usec = timeout.Milliseconds * 1000L };
        if (Libc.setsockopt(_fd, Libc.SOL_SOCKET, Libc.SO_RCVTIMEO, &value, (uint)sizeof(TimeVal)) != 0)
            throw LastError($"set the timeout of the {_name} socket");
    }

    /// <summary>Sends one datagram, which may hold many messages, to the kernel.</summary>
    internal void Send(ReadOnlySpan<byte> datagram)
    {
        var kernel = new SockAddrNl { nl_family = Libc.AF_NETLINK };
        fixed (byte* data = datagram)
        {
            while (Libc.sendto(_fd, data, (nuint)datagram.Length, 0, &kernel, (uint)sizeof(SockAddrNl)) < 0)
            {
                if (Marshal.GetLastPInvokeError() != Errno.EINTR)
                    throw LastError($"send to {_name}");
            }
        }
    }

    /// <summary>Receives one datagram from the kernel; the bytes stay valid until the next call. Empty: wait again (see flags).</summary>
    /// <param name="nonBlocking">Return an empty span when there is nothing yet, instead of waiting.</param>
    /// <exception cref="NetlinkException">ENOBUFS when notifications or answers were lost, EAGAIN after the timeout.</exception>
    internal ReadOnlySpan<byte> Receive(bool nonBlocking = false)
    {
        var wait = nonBlocking ? Libc.MSG_DONTWAIT : 0;
        while (true)
        {
            // Look first: MSG_TRUNC gives the true size, so that a datagram larger than the buffer costs a larger buffer, not data.
            var size = ReceiveInto(wait | Libc.MSG_PEEK | Libc.MSG_TRUNC, out _);
            if (size < 0)
                return [];
            if (size > _buffer.Length)
                _buffer = new byte[Nl.Align(size)];

            var length = ReceiveInto(wait, out var sender);
            if (length < 0)
                return [];

            // Processes may write to each other's netlink sockets (with CAP_NET_ADMIN); only the kernel, port 0, is believed.
            if (sender == 0)
                return _buffer.AsSpan(0, length);
        }
    }

    public void Dispose() => _fd.Dispose();

    private int ReceiveInto(int flags, out uint sender)
    {
        while (true)
        {
            var from = default(SockAddrNl);
            var fromLength = (uint)sizeof(SockAddrNl);
            nint length;
            fixed (byte* data = _buffer)
                length = Libc.recvfrom(_fd, data, (nuint)_buffer.Length, flags, &from, &fromLength);
            sender = from.nl_pid;
            if (length >= 0)
                return (int)length;

            var errno = Marshal.GetLastPInvokeError();
            if (errno == Errno.EAGAIN && (flags & Libc.MSG_DONTWAIT) != 0)
                return -1;
            if (errno != Errno.EINTR)
                throw LastError($"receive from {_name}");
        }
    }

    private static NetlinkException LastError(string operation) => new(operation, Marshal.GetLastPInvokeError());
}

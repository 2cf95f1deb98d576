using Accelerated.Interop.Native;

namespace Accelerated.Interop.Netlink;

/// <summary>Asks the kernel for its IPsec policies (<c>ip xfrm</c>). Needs CAP_NET_ADMIN.</summary>
/// <remarks>Bound to the network namespace of the thread that opened it. One caller at a time.</remarks>
public sealed class XfrmSocket : IDisposable
{
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(10);

    private readonly NetlinkSocket _socket;
    private readonly NetlinkExchange _exchange;

    private XfrmSocket(NetlinkSocket socket)
    {
        _socket = socket;
        _exchange = new(socket, new());
    }

    /// <summary>Opens a socket in the network namespace of the calling thread; null on a kernel without IPsec (CONFIG_XFRM_USER).</summary>
    /// <exception cref="NetlinkException">Too many descriptors are open.</exception>
    public static XfrmSocket? TryOpen()
    {
        NetlinkSocket socket;
        try
        {
            socket = NetlinkSocket.Open(Nl.NETLINK_XFRM, "xfrm");
        }
        catch (NetlinkException e) when (e.Errno == Errno.EPROTONOSUPPORT)
        {
            return null;
        }

        socket.SetReceiveTimeout(AnswerTimeout);
        _ = socket.TryEnable(Nl.NETLINK_EXT_ACK);
        _ = socket.TryEnable(Nl.NETLINK_CAP_ACK);
        return new(socket);
    }

    /// <summary>All policies, as the kernel orders them (<c>ip xfrm policy</c>); those of single sockets are left out.</summary>
    /// <exception cref="NetlinkException">EPERM: CAP_NET_ADMIN is missing.</exception>
    public IReadOnlyList<XfrmPolicy> GetPolicies() =>
        _exchange.Dump(
            "list IPsec policies",
            XfrmMessages.XFRM_MSG_GETPOLICY,
            XfrmMessages.XFRM_MSG_NEWPOLICY,
            XfrmMessages.GetPolicy(),
            XfrmMessages.DecodePolicy,
            Errno.ENOENT);

    /// <summary>What happens to packets that no policy matches (<c>ip xfrm policy getdefault</c>); all pass on kernels before 5.15.</summary>
    public XfrmDefaults GetDefaults() =>
        (XfrmDefaults)(_exchange.Query(
            "read the default IPsec policy",
            XfrmMessages.XFRM_MSG_GETDEFAULT,
            XfrmMessages.XFRM_MSG_GETDEFAULT,
            XfrmMessages.GetDefault(),
            XfrmMessages.DecodeDefaults,
            Errno.EINVAL) ?? default(XfrmDefaults));

    /// <summary>Closes the socket.</summary>
    public void Dispose() => _socket.Dispose();
}

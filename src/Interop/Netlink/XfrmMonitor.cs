namespace Accelerated.Interop.Netlink;

/// <summary>Tells that IPsec policies changed, their defaults included (<c>ip xfrm monitor policy</c>). Needs CAP_NET_ADMIN.</summary>
public sealed class XfrmMonitor : IDisposable
{
    private readonly NotificationLoop _loop;

    private XfrmMonitor(NotificationLoop loop) => _loop = loop;

    /// <summary>Why the monitor ended by itself (an exception of the callback, say); null while it runs and after <see cref="Dispose"/>.</summary>
    public Exception? Failure => _loop.Failure;

    /// <summary>Starts to watch the network namespace of the calling thread. Changes after the return are told.</summary>
    /// <param name="onChange">Called on the monitor's own thread at each change, and when changes were lost. What it throws ends the monitor.</param>
    /// <param name="onFailure">Called once, on that thread, with what ended the monitor.</param>
    /// <exception cref="NetlinkException">EPROTONOSUPPORT: a kernel without IPsec. EPERM: CAP_NET_ADMIN is missing.</exception>
    public static XfrmMonitor Start(Action onChange, Action<Exception>? onFailure = null)
    {
        ArgumentNullException.ThrowIfNull(onChange);
        return new(NotificationLoop.Start(
            "xfrm monitor",
            Nl.NETLINK_XFRM,
            [XfrmMessages.XFRMNLGRP_POLICY],
            NetlinkSocket.DefaultReceiveBuffer,
            (in _) => onChange(),
            onChange,
            onFailure));
    }

    /// <summary>Ends the monitor. No callback runs after the return, unless it is called from within one.</summary>
    public void Dispose() => _loop.Dispose();
}

namespace Accelerated.Interop.Netlink;

/// <summary>Tells of every change to links, addresses, routes, neighbours, forwarding entries and rules, in both families (<c>ip monitor</c>).</summary>
/// <remarks>
/// Not everything is told: when a link goes down or away, the kernel drops its IPv4 routes without a notification for each, so a
/// <see cref="RouteEventKind.Link"/> event is a reason to look at routes too. Neighbour events also come for ordinary resolution.
/// </remarks>
public sealed class RouteMonitor : IDisposable
{
    private readonly NotificationLoop _loop;

    private RouteMonitor(NotificationLoop loop) => _loop = loop;

    /// <summary>Why the monitor ended by itself (an exception of the callback, say); null while it runs and after <see cref="Dispose"/>.</summary>
    public Exception? Failure => _loop.Failure;

    /// <summary>Starts to watch the network namespace of the calling thread. Changes after the return are told.</summary>
    /// <param name="onEvent">Called on the monitor's own thread, one event at a time. What it throws ends the monitor.</param>
    /// <param name="onFailure">Called once, on that thread, with what ended the monitor. Without it, watch <see cref="Failure"/>.</param>
    /// <param name="receiveBuffer">Bytes of notifications the kernel keeps while the callback is busy.</param>
    /// <exception cref="NetlinkException">The socket could not be opened.</exception>
    public static RouteMonitor Start(
        Action<RouteEvent> onEvent, Action<Exception>? onFailure = null, int receiveBuffer = NetlinkSocket.DefaultReceiveBuffer)
    {
        ArgumentNullException.ThrowIfNull(onEvent);
        return new(NotificationLoop.Start(
            "rtnetlink monitor",
            Nl.NETLINK_ROUTE,
            [
                Rtnl.RTNLGRP_LINK,
                Rtnl.RTNLGRP_NEIGH,
                Rtnl.RTNLGRP_IPV4_IFADDR,
                Rtnl.RTNLGRP_IPV6_IFADDR,
                Rtnl.RTNLGRP_IPV4_ROUTE,
                Rtnl.RTNLGRP_IPV6_ROUTE,
                Rtnl.RTNLGRP_IPV4_RULE,
                Rtnl.RTNLGRP_IPV6_RULE,
            ],
            receiveBuffer,
            (in message) =>
            {
                if (Read(message) is { } change)
                    onEvent(change);
            },
            () => onEvent(new(RouteEventKind.Overrun)),
            onFailure));
    }

    /// <summary>What cannot be read, of a kernel that nobody has tried yet, is a reason to look as good as any, and none to hear nothing any more.</summary>
    private static RouteEvent? Read(in NetlinkMessage message)
    {
        try
        {
            return RouteEvent.From(message);
        }
        catch (NetlinkException)
        {
            return new(RouteEventKind.Overrun);
        }
    }

    /// <summary>Ends the monitor. No callback runs after the return, unless it is called from within one.</summary>
    public void Dispose() => _loop.Dispose();
}

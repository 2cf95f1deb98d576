namespace Accelerated.Interop.Netlink;

/// <summary>What a <see cref="RouteEvent"/> is about.</summary>
public enum RouteEventKind
{
    /// <summary>A device.</summary>
    Link = 1,

    /// <summary>An address of an interface.</summary>
    Address,

    /// <summary>A route.</summary>
    Route,

    /// <summary>An ARP or neighbour discovery entry.</summary>
    Neighbour,

    /// <summary>A forwarding entry of a vxlan device or bridge.</summary>
    Fdb,

    /// <summary>A policy routing rule (<c>ip rule</c>).</summary>
    Rule,

    /// <summary>Events were lost because they came faster than they were read: look at everything again.</summary>
    Overrun,
}

namespace Accelerated.Interop.Netlink;

/// <summary>A classifier on a hook of an interface (<c>tc filter</c>).</summary>
/// <param name="InterfaceIndex">The interface.</param>
/// <param name="Kind">bpf, u32, matchall …</param>
/// <param name="Handle">Its number among the filters of its priority.</param>
/// <param name="Priority">Lower is asked first.</param>
public sealed record TrafficFilter(int InterfaceIndex, string Kind, uint Handle, int Priority)
{
    /// <summary>The parent of filters on what comes in, under a clsact or an ingress qdisc.</summary>
    public const uint IngressParent = TrafficControlMessages.ClsactIngress;

    /// <summary>The parent of filters on what goes out, under a clsact qdisc.</summary>
    public const uint EgressParent = TrafficControlMessages.ClsactEgress;
}

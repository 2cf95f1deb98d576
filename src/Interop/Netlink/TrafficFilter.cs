namespace Accelerated.Interop.Netlink;

/// <summary>A classifier on a hook of an interface (<c>tc filter</c>).</summary>
/// <param name="InterfaceIndex">The interface.</param>
/// <param name="Kind">bpf, u32, matchall …</param>
/// <param name="Handle">Its number among the filters of its priority.</param>
/// <param name="Priority">Lower is asked first.</param>
public sealed record TrafficFilter(int InterfaceIndex, string Kind, uint Handle, int Priority);

namespace Accelerated.Interop.Netlink;

/// <summary>A queueing discipline of an interface (<c>tc qdisc</c>).</summary>
/// <param name="InterfaceIndex">The interface.</param>
/// <param name="Kind">noqueue, fq_codel, clsact …</param>
/// <param name="Handle">Its number, major in the upper 16 bits.</param>
/// <param name="Parent">Where it is attached: 0xffffffff at the root, 0xfffffff1 for clsact and ingress.</param>
public sealed record QueueDiscipline(int InterfaceIndex, string Kind, uint Handle, uint Parent)
{
    /// <summary>Whether it is the one that packets leave through.</summary>
    public bool IsRoot => Parent == uint.MaxValue;

    /// <summary>Whether it is clsact or ingress: not a queue, but a place for filters.</summary>
    public bool IsHook => Parent == TrafficControlMessages.TC_H_CLSACT;
}

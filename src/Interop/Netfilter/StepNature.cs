namespace Accelerated.Interop.Netfilter;

/// <summary>What a step that is not looked into depends on and does.</summary>
public enum StepNature
{
    /// <summary>Lets every packet go on and decides nothing about it: counters, comments, marks, NAT (which only the first packet meets).</summary>
    Neutral,

    /// <summary>Gives the same answer for every packet of a flow, as long as nobody changes rules or routes.</summary>
    Constant,

    /// <summary>Has to see each packet: it counts, samples, remembers or reports, or looks at something that differs from packet to packet.</summary>
    EveryPacket,

    /// <summary>Changes, copies or diverts each packet.</summary>
    Alters,
}

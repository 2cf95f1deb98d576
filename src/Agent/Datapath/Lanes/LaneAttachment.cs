namespace Accelerated.Agent.Datapath.Lanes;

/// <summary><c>--bpf-attach</c>: how the lanes' programs are put on an interface.</summary>
public enum LaneAttachment
{
    /// <summary>tcx where the kernel has it, and clsact on a hook where other people's clsact filters have to see the packets first.</summary>
    Auto,

    /// <summary>Pinned links (Linux 6.6).</summary>
    Tcx,

    /// <summary>Direct-action filters under the clsact qdisc.</summary>
    Clsact,
}

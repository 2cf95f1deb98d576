using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>What the operator's flags say about the eBPF lanes.</summary>
/// <param name="PinDirectory">Where maps and links are pinned: <c>&lt;--bpf-dir&gt;/&lt;instance&gt;</c>.</param>
/// <param name="Guard"><c>--guard</c>.</param>
/// <param name="TunnelIn">Whether lane 1 decapsulates (<c>--tunnel-in=bpf</c>) or leaves that to the driver.</param>
public sealed record LaneOptions(string PinDirectory, OverlayGuard Guard, bool TunnelIn)
{
    /// <summary><c>--bpf-attach</c>.</summary>
    public LaneAttachment Attachment { get; init; }

    /// <summary>Where the programs come from.</summary>
    public required LaneObjectOptions Objects { get; init; }
}

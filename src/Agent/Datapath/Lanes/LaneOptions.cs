using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>What the operator's flags say about the eBPF lanes.</summary>
/// <param name="PinDirectory">Where maps and links are pinned: <c>&lt;--bpf-dir&gt;/&lt;instance&gt;</c>.</param>
/// <param name="TunnelIn">What lane 1 decapsulates (<c>--tunnel-in</c>).</param>
public sealed record LaneOptions(string PinDirectory, OverlayTunnelIn TunnelIn)
{
    /// <summary><c>--instance</c>.</summary>
    public string Instance => Path.GetFileName(PinDirectory);

    /// <summary><c>--shortcut</c>: when lane 2 carries packets.</summary>
    public OverlayShortcut Shortcut { get; init; }

    /// <summary><c>--shortcut-mark</c>: the bits of the conntrack mark that are ours.</summary>
    public required uint ShortcutMark { get; init; }

    /// <summary>Where the value of nf_conntrack_tcp_be_liberal from before us is kept.</summary>
    public required string LiberalFile { get; init; }

    /// <summary>Whether the operator asked for the lanes by name: then it is a problem when they are off, else only a fact.</summary>
    public bool IsAskedFor { get; init; }

    /// <summary><c>--bpf-attach</c>.</summary>
    public LaneAttachment Attachment { get; init; }

    /// <summary><c>--xdp</c>: whether lane 3 is attached.</summary>
    public XdpChoice Xdp { get; init; }

    /// <summary>Where the programs come from.</summary>
    public required LaneObjectOptions Objects { get; init; }
}

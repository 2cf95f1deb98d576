using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>What the operator's flags say about the eBPF lanes.</summary>
/// <param name="PinDirectory">Where maps and links are pinned: <c>&lt;--bpf-dir&gt;/&lt;instance&gt;</c>.</param>
/// <param name="TunnelIn">Whether lane 1 decapsulates (<c>--tunnel-in=bpf</c>) or leaves that to the driver.</param>
/// <param name="Shortcut"><c>--shortcut</c>: when lane 2 carries packets.</param>
/// <param name="ShortcutMark"><c>--shortcut-mark</c>: the bits of the conntrack mark that are ours.</param>
/// <param name="LiberalFile">Where the value of nf_conntrack_tcp_be_liberal from before us is kept.</param>
public sealed record LaneOptions(string PinDirectory, bool TunnelIn, OverlayShortcut Shortcut, uint ShortcutMark, string LiberalFile);

namespace Accelerated.Interop.Libbpf;

/// <summary>What the kernel says about a link (<c>bpftool link</c>).</summary>
/// <param name="Id">The link's number.</param>
/// <param name="ProgramId">The program in force.</param>
/// <param name="InterfaceIndex">The interface; 0 once it is gone or the link was detached.</param>
/// <param name="Hook">The hook of a tcx link; null for a link of another kind, such as XDP's.</param>
public readonly record struct BpfLinkInfo(uint Id, uint ProgramId, int InterfaceIndex, TcxHook? Hook);

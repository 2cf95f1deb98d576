namespace Accelerated.Agent.Cli;

/// <summary><c>--datapath</c>.</summary>
public enum DatapathChoice
{
    /// <summary>The fastest that works here.</summary>
    Auto,

    /// <summary>eBPF lanes over the kernel's vxlan device.</summary>
    Bpf,

    /// <summary>The kernel's vxlan driver.</summary>
    Kernel,

    /// <summary>Plain routes by way of each peer's host.</summary>
    HostGw,
}

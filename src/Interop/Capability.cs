namespace Accelerated.Interop;

/// <summary>Linux capabilities by their number in linux/capability.h; those this product asks for.</summary>
public enum Capability
{
    /// <summary>Change file ownership.</summary>
    Chown = 0,

    /// <summary>Ignore file permissions.</summary>
    DacOverride = 1,

    /// <summary>Configure interfaces, routes, neighbours and rules.</summary>
    NetAdmin = 12,

    /// <summary>Open raw and packet sockets.</summary>
    NetRaw = 13,

    /// <summary>Load kernel modules.</summary>
    SysModule = 16,

    /// <summary>Enter namespaces, mount, and much else.</summary>
    SysAdmin = 21,

    /// <summary>Exceed resource limits.</summary>
    SysResource = 24,

    /// <summary>Read the kernel log and addresses.</summary>
    SysLog = 34,

    /// <summary>Performance monitoring and BPF programs that see kernel pointers (Linux 5.8).</summary>
    Perfmon = 38,

    /// <summary>Create BPF maps and load programs (Linux 5.8).</summary>
    Bpf = 39,
}

using Accelerated.Interop;
using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>What stands between a host and the lanes, in words: the reason, the remedy, and whether waiting can help.</summary>
internal static class LaneFaults
{
    private const string Service = "systemd: CapabilityBoundingSet= and AmbientCapabilities=";

    private static readonly (Capability Capability, string Name)[] Needed =
        [(Capability.Bpf, "CAP_BPF"), (Capability.NetAdmin, "CAP_NET_ADMIN")];

    /// <summary>The exception for a failure of the kernel, a library or a file system.</summary>
    public static LanesUnavailableException Explain(Exception failure) => failure switch
    {
        LanesUnavailableException known => known,
        NativeLibraryMissingException missing => new($"{missing.Library} is not installed", missing)
        {
            Remedy = $"install it (Debian and Ubuntu: apt-get install {missing.DebianPackage}); the agent notices",
        },
        NativeException { IsNotPermitted: true } refused => NotPermitted(refused),
        NativeException misfit when misfit.Operation.StartsWith("reuse map ", StringComparison.Ordinal) => new(OneLine(misfit.Message), misfit)
        {
            Remedy = "remove what is pinned (rm -r <--bpf-dir>/<instance>); it was made by another object, and the agent makes it anew",
        },
        // What reads kernel structures cannot be loaded without (ESRCH from libbpf). Lane 1 reads none.
        NativeException untyped when untyped.Message.Contains("kernel BTF", StringComparison.Ordinal) && !BpfFeatures.Btf.IsSupported =>
            new($"the kernel does not tell its types: {BpfFeatures.Btf.Reason}", untyped) { Remedy = "a kernel with CONFIG_DEBUG_INFO_BTF", IsLasting = true },
        // A kernel function that a program calls and nobody has; the only ones called are conntrack's.
        NativeException without when without.Message.Contains("func ksym", StringComparison.Ordinal) =>
            new($"this kernel lets no program look into conntrack: {OneLine(without.Message)}", without)
            {
                Remedy = "Linux 5.18 or later; where nf_conntrack is a module: modprobe nf_conntrack (the agent notices)",
            },
        IOException or UnauthorizedAccessException => new(OneLine(failure.Message), failure)
        {
            Remedy = "see to the permissions of the folder (--bpf-dir); the agent notices",
        },
        _ => new(OneLine(failure.Message), failure),
    };

    /// <summary>The exception for an object that cannot be had in any way, or that the verifier refuses.</summary>
    /// <param name="name">The object.</param>
    /// <param name="setbacks">Why, for each way that was tried.</param>
    /// <param name="refusal">What the verifier said, if it was asked.</param>
    public static LanesUnavailableException Refused(string name, IEnumerable<string> setbacks, VerifierException? refusal)
    {
        var reason = $"the eBPF object {name} cannot be used: {OneLine(string.Join("; ", setbacks))}";
        // The verifier lets a process without CAP_PERFMON do less.
        var remedy = !ProcessCapabilities.Has(Capability.Perfmon) && !ProcessCapabilities.Has(Capability.SysAdmin) && refusal is not null
            ? $"give the service CAP_PERFMON ({Service}) and restart it"
            : "report this with the output of uname -r; where clang, libbpf-dev and linux-libc-dev are installed, --bpf-compile=always compiles for this kernel";
        return refusal is null ? new(reason) { Remedy = remedy, IsLasting = true } : new(reason, refusal) { Remedy = remedy, IsLasting = true };
    }

    /// <summary>Text of several lines, such as a compiler's or the verifier's, as one.</summary>
    public static string OneLine(string text) =>
        string.Join(" | ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));

    private static List<string> Missing() =>
        ProcessCapabilities.Has(Capability.SysAdmin) ? [] : [.. Needed.Where(n => !ProcessCapabilities.Has(n.Capability)).Select(n => n.Name)];

    private static LanesUnavailableException NotPermitted(NativeException refused) =>
        Missing() is { Count: > 0 } missing
            ? new($"the agent lacks {string.Join(" and ", missing)} ({refused.Operation}: not permitted)", refused)
            {
                Remedy = $"give it to the service ({Service}) and restart it, or run the agent as root",
                IsLasting = true,
            }
            : new($"bpf(2) is refused although the agent has the capabilities: {OneLine(refused.Message)}", refused)
            {
                Remedy = "look for a seccomp filter (systemd: SystemCallFilter=bpf) and for kernel lockdown, and restart the agent",
                IsLasting = true,
            };
}

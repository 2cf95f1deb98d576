namespace Accelerated.Interop.Libbpf;

/// <summary>How often a program ran and how long that took, while the kernel measured (<c>bpftool prog</c>: run_cnt, run_time_ns).</summary>
/// <param name="Runs">Number of runs.</param>
/// <param name="Nanoseconds">All of them together, in ns.</param>
public readonly record struct BpfRunTime(ulong Runs, ulong Nanoseconds);

namespace Accelerated.Bench;

/// <summary>Where figures come from: without it they mean nothing.</summary>
/// <param name="Underlay">What joins the hosts: always <c>veth</c>, two hosts in one kernel.</param>
/// <param name="Kernel">Release of the kernel.</param>
/// <param name="Processors">CPUs, shared by both hosts.</param>
/// <param name="Model">What the CPUs call themselves.</param>
internal sealed record Machine(string Underlay, string Kernel, int Processors, string Model)
{
    /// <summary>This machine.</summary>
    public static Machine Look() => new(
        "veth", File.ReadAllText("/proc/sys/kernel/osrelease").Trim(), Environment.ProcessorCount,
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "unknown");

    /// <inheritdoc/>
    public override string ToString() => $"{Underlay}: two hosts in one kernel; Linux {Kernel}, {Processors} CPUs, {Model}";
}

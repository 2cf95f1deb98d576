namespace Accelerated.Bench;

/// <summary>What the median ratio of the lanes to the kernel's driver has to reach.</summary>
/// <param name="Ratio">The bound.</param>
/// <param name="LowerIsBetter">Whether the ratio has to stay below it: for times.</param>
internal sealed record Floor(double Ratio, bool LowerIsBetter)
{
    /// <summary>Whether a ratio is good enough.</summary>
    public bool IsMetBy(double ratio) => LowerIsBetter ? ratio <= Ratio : ratio >= Ratio;

    /// <inheritdoc/>
    public override string ToString() => $"{(LowerIsBetter ? "<=" : ">=")} {Ratio:0.00}";
}

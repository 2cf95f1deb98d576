namespace Accelerated.Interop.Tests;

public sealed class ProcessCapabilitiesTests
{
    [Fact]
    public void ParseEffective_StatusFile_ReadsOnlyThatSet()
    {
        string[] status = ["Name:\tx", "CapInh:\t0000000000000000", "CapPrm:\tffffffffffffffff", "CapEff:\t000000c000003000", "CapBnd:\t0"];

        Assert.Equal(1UL << 12 | 1UL << 13 | 1UL << 38 | 1UL << 39, ProcessCapabilities.ParseEffective(status));
    }

    [Fact]
    public void ParseEffective_NoSuchLine_SaysSo() =>
        Assert.Throws<InvalidDataException>(() => ProcessCapabilities.ParseEffective(["Name:\tx", "CapEff:\tnothing"]));

    [Fact]
    public void Has_ThisProcess_AgreesWithTheFile()
    {
        var line = File.ReadLines("/proc/self/status").Single(l => l.StartsWith("CapEff:", StringComparison.Ordinal));
        var set = Convert.ToUInt64(line["CapEff:".Length..].Trim(), 16);

        Assert.All(Enum.GetValues<Capability>(), c => Assert.Equal((set & 1UL << (int)c) != 0, ProcessCapabilities.Has(c)));
    }
}

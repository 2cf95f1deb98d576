using Accelerated.Lab;

namespace Accelerated.System.Tests.Lab;

/// <summary>Bad values are refused with the name of the variable and what to write instead.</summary>
public sealed class LabSpecTests
{
    public static TheoryData<LabSpec, string, string> BadSpecs => new()
    {
        { new LabSpec { Name = "" }, "LAB=''", "LAB=lab" },
        { new LabSpec { Name = "Lab" }, "LAB='Lab'", "LAB=lab" },
        { new LabSpec { Name = "my-lab" }, "LAB='my-lab'", "LAB=lab" },
        { new LabSpec { Name = "ninechars" }, "LAB='ninechars'", "LAB=lab" },
        { new LabSpec { Name = "lab\n" }, "LAB=", "LAB=lab" },
        { new LabSpec { Name = "../x" }, "LAB=", "LAB=lab" },
        { new LabSpec { Nodes = 0 }, "NODES=0", "1 to 50" },
        { new LabSpec { Nodes = 51 }, "NODES=51", "1 to 50" },
        { new LabSpec { PodsPerNode = -1 }, "PODS=-1", "0 to 20" },
        { new LabSpec { PodsPerNode = 21 }, "PODS=21", "0 to 20" },
        { new LabSpec { Datapath = "ebpf" }, "DATAPATH=ebpf", "auto, bpf, kernel, host-gw" },
        { new LabSpec { Link = LabLink.Direct, Nodes = 3 }, "LINK=direct", "NODES=2" },
        { new LabSpec { Config = "{" }, "CONFIG", "CONFIG='{\"Network\"" },
        { new LabSpec { Config = "[]" }, "CONFIG", "CONFIG='{\"Network\"" },
    };

    [Theory]
    [MemberData(nameof(BadSpecs))]
    public void Validate_BadValue_NamesTheVariableAndTheRemedy(LabSpec spec, string variable, string remedy)
    {
        var error = Assert.Throws<LabException>(spec.Validate);

        Assert.Contains(variable, error.Message);
        Assert.Contains(remedy, error.Message);
    }

    [Theory]
    [InlineData("a", 1, 0)]
    [InlineData("lab", 2, 1)]
    [InlineData("lab12345", 50, 20)]
    public void Validate_ValueAtTheEdge_IsTaken(string name, int nodes, int pods) =>
        new LabSpec { Name = name, Nodes = nodes, PodsPerNode = pods }.Validate();

    [Theory]
    [InlineData("lab-node1", true)]
    [InlineData("lab-pod12-3", true)]
    [InlineData("lab-etcd", true)]
    [InlineData("lab-switch", true)]
    [InlineData("lab2-node1", false)]
    [InlineData("lab-nodex", false)]
    [InlineData("lab-own", false)]
    [InlineData("lab", false)]
    public void Owns_NameOfANamespace_TellsOwnFromForeign(string ns, bool own) => Assert.Equal(own, new LabLayout("lab").Owns(ns));
}

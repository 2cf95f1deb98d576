namespace Accelerated.Bpf.Tests.Libbpf;

public sealed class ProcessTests
{
    [Fact]
    public void Use_WithoutLibbpf_FailsWhereItIsNeededAndNamesThePackage()
    {
        // mount(2) in a mount namespace of the child's own; nothing of it is seen outside.
        const string Hide = """
            for f in $(ldconfig -p | sed -n 's/.*libbpf\.so\.1 .*=> //p'); do mount --bind /dev/null "$f" || exit 9; done
            exec "$0"
            """;
        const string Missing = "libbpf.so.1 cannot be loaded: install it (Debian and Ubuntu: apt-get install libbpf1)";
        var output = BpfCompiler.Execute(
            "unshare", "--mount", "--propagation", "private",
            "env", $"{ChildProgram.Role}={ChildProgram.WithoutLibbpf}", "sh", "-c", Hide, ChildProgram.Path);
        Assert.Equal(["rtnetlink: lo", "bpffs: Unsupported", "a slot is emptied: False", Missing, Missing, Missing, Missing], output.TrimEnd().Split('\n'));
    }

    [Fact]
    public void Descriptors_AfterUse_AreAllClosed()
    {
        var output = BpfCompiler.Execute(
            "unshare", "--net", "env", $"{ChildProgram.Role}={ChildProgram.CountDescriptors}", ChildProgram.Path);
        Assert.Equal("0 more descriptors", output.Trim());
    }
}

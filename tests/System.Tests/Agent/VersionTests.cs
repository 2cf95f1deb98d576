using Accelerated.Lab;
using Accelerated.System.Tests.Netlink;

namespace Accelerated.System.Tests.Agent;

/// <summary>Which version it is, asked as one asks flanneld and as one asks a command.</summary>
public sealed class VersionTests
{
    [Theory]
    [InlineData("version")]
    [InlineData("--version")]
    [InlineData("-version")]
    [InlineData("agent", "--version=true", "--iface=nope0", "--public-ip=nonsense")] // Before anything else is looked at.
    public void Version_Asked_IsOneLineAndNoError(params string[] arguments)
    {
        var (code, output, error) = TestNamespace.TryExecute(LabTools.Agent(null), arguments);

        Assert.Equal((0, ""), (code, error));
        Assert.Matches(@"\A[0-9]+\.[0-9]+\.[0-9]+\S*\n\z", output);
    }
}

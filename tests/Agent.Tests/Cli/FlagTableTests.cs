using Accelerated.Agent.Cli;

namespace Accelerated.Agent.Tests.Cli;

/// <summary>The table of flags in the documentation is the one in the code.</summary>
public sealed class FlagTableTests
{
    [Fact]
    public void Document_HasEveryFlagAsTheCodeDoes()
    {
        var expected = new AgentFlags().Table().Order(StringComparer.Ordinal).ToList();
        var found = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "docs", "flags.md"))
            .Where(l => l.StartsWith("| `--", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToList();

        Assert.Equal(expected, found);
    }

    [Fact]
    public void Document_HasEveryVariableInTheOrderOfTheCode() => Assert.Equal(
        new AgentFlags().VariableTable(),
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "docs", "flags.md")).Where(l => l.StartsWith("| `FLANNEL_", StringComparison.Ordinal)));
}

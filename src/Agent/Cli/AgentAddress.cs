using System.CommandLine;

namespace Accelerated.Agent.Cli;

/// <summary>The options by which a command finds the running agent.</summary>
internal static class AgentAddress
{
    /// <summary>Options of a new command.</summary>
    public static (Option<string> RunDirectory, Option<string> Instance) Options() => (
        new("--run-dir") { Description = "the agent's --run-dir", DefaultValueFactory = _ => "/run/accelerated" },
        new("--instance") { Description = "the agent's --instance", DefaultValueFactory = _ => AgentOptions.DefaultInstance });
}

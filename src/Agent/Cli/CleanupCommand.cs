using Accelerated.Agent.Node;
using Accelerated.Interop;

namespace Accelerated.Agent.Cli;

/// <summary><c>accelerated cleanup</c>: takes the agent's traces off a host. Its flags are the agent's own, so that those of a unit file fit.</summary>
internal static class CleanupCommand
{
    private const string DryRun = "--dry-run";

    private const string Usage = """
        Usage: accelerated cleanup [--dry-run] [the agent's flags]

        Removes what the agent has made on this host: eBPF lanes, flannel.<VNI> with its routes, the nftables table, subnet.env, files under
        --run-dir and --state-dir. Gives back the sysctl it changed. Containers lose their overlay at once. The lease in etcd is left to run out.
        --dry-run only says what it would do. Exit code: 0 done, 1 something is left, 2 wrong flag.
        """;

    /// <summary>Runs it; returns the exit code.</summary>
    public static int Run(string[] arguments)
    {
        if (arguments.Any(a => a is "-h" or "-help" or "--help"))
        {
            Console.WriteLine(Usage);
            return ExitCodes.Success;
        }

        try
        {
            var options = new AgentFlags().Read([.. arguments.Where(a => a != DryRun)], Environment.GetEnvironmentVariable);
            if (!ProcessCapabilities.Has(Capability.NetAdmin))
                return Refuse("this needs root: run it with sudo", ExitCodes.Failure);
            var (lockPath, dryRun) = (AgentOptions.LockPath(options.RunDirectory, options.Instance), arguments.Contains(DryRun));
            var wasThere = File.Exists(lockPath);
            using var only = InstanceLock.Take(lockPath, options.Instance);
            var said = 0;
            var failures = new HostCleanup(options, dryRun, line =>
            {
                said++;
                Console.WriteLine(line);
            }).Run();
            if (!dryRun || !wasThere)
                File.Delete(lockPath);
            foreach (var failure in failures)
                Console.Error.WriteLine($"accelerated cleanup: not done: {failure}");
            if (said == 0 && failures.Count == 0)
                Console.WriteLine("nothing of this agent is here");
            return failures.Count == 0 ? ExitCodes.Success : ExitCodes.Failure;
        }
        catch (CommandLineException e)
        {
            return Refuse(e.Message, ExitCodes.Usage);
        }
        catch (AgentFaultException e)
        {
            return Refuse(e.Message, ExitCodes.Failure);
        }
    }

    private static int Refuse(string message, int code)
    {
        Console.Error.WriteLine($"accelerated cleanup: {message}");
        return code;
    }
}

using System.Globalization;
using Accelerated.Agent.Node;
using Accelerated.Interop;
using Accelerated.Interop.Nftables;

namespace Accelerated.Agent.Cli;

/// <summary><c>accelerated cleanup</c>: takes the agent's traces off a host. Its flags are the agent's own, so that those of a unit file fit.</summary>
internal static class CleanupCommand
{
    private const string DryRun = "--dry-run", KeepDevice = "--keep-device", Flannel = "--flannel";

    private const string Usage = """
        Usage: accelerated cleanup [--dry-run] [--keep-device] [the agent's flags]
               accelerated cleanup --flannel [--dry-run]

        Removes what the agent has made on this host: eBPF lanes, flannel.<VNI> with its routes, the nftables table, subnet.env, files under
        --run-dir and --state-dir. Takes its rules out of iptables' chains and gives back the sysctl it changed. Containers lose their overlay at once. The lease in etcd is left to run out.
        --keep-device leaves flannel.<VNI> with its routes, and subnet.env: flannel takes them over without a gap. So does cleanup beside a flanneld.
        --flannel removes the rules that flannel has left (chains FLANNEL-POSTRTG and FLANNEL-FWD with the jumps to them, tables flannel-ipv4 and
        flannel-ipv6) and nothing else; it may run beside the agent, not beside a flanneld.
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
            var options = new AgentFlags().Read([.. arguments.Where(a => a is not (DryRun or KeepDevice or Flannel))], Environment.GetEnvironmentVariable);
            if (!ProcessCapabilities.Has(Capability.NetAdmin))
                return Refuse("this needs root: run it with sudo", ExitCodes.Failure);
            if (arguments.Contains(Flannel))
                return RunFlannel(arguments.Contains(DryRun));
            var (lockPath, dryRun) = (AgentOptions.LockPath(options.RunDirectory, options.Instance), arguments.Contains(DryRun));
            var wasThere = File.Exists(lockPath);
            using var only = InstanceLock.Take(lockPath, options.Instance);
            var said = 0;
            var keepDevice = arguments.Contains(KeepDevice) || FlanneldProcess.FindRival(options.EtcdPrefix) is not null;
            var failures = new HostCleanup(options, dryRun, keepDevice, line =>
            {
                said++;
                Console.WriteLine(line);
            }).Run();
            if (!dryRun || !wasThere)
                File.Delete(lockPath);
            return Conclude(failures, said, "nothing of this agent is here");
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

    /// <summary>Needs no lock: the agent never has to do with these rules, and its own are in force beside them.</summary>
    private static int RunFlannel(bool dryRun)
    {
        if (FlanneldProcess.Find() is [var running, ..])
        {
            return Refuse(string.Create(CultureInfo.InvariantCulture,
                $"flanneld runs on this host and would write its rules again (process {running.Id}: {running.CommandLine}). Stop it first: systemctl disable --now flanneld"), ExitCodes.Failure);
        }

        var said = 0;
        var failures = new List<string>();
        try
        {
            using var rules = new FlannelRules();
            foreach (var set in rules.Find())
            {
                try
                {
                    if (!dryRun)
                        rules.Remove(set);
                    said++;
                    Console.WriteLine($"{(dryRun ? "would remove" : "removed")}: {set}");
                }
                catch (Exception e) when (e is NftablesException or IOException)
                {
                    failures.Add($"{set}: {e.Message}");
                }
            }
        }
        catch (Exception e) when (e is NativeException or NativeLibraryMissingException or NftablesException or IOException or UnauthorizedAccessException)
        {
            failures.Add($"rules cannot be read: {e.Message}");
        }

        return Conclude(failures, said, "no rules of flannel's are here");
    }

    private static int Conclude(IReadOnlyList<string> failures, int said, string nothing)
    {
        foreach (var failure in failures)
            Console.Error.WriteLine($"accelerated cleanup: not done: {failure}");
        if (said == 0 && failures.Count == 0)
            Console.WriteLine(nothing);
        return failures.Count == 0 ? ExitCodes.Success : ExitCodes.Failure;
    }

    private static int Refuse(string message, int code)
    {
        Console.Error.WriteLine($"accelerated cleanup: {message}");
        return code;
    }
}

using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Accelerated.Agent.Datapath.Foreign;

/// <summary>
/// Runs the host's own iptables: its tables belong to that program, and each version has its own way of writing them. One
/// <c>iptables-restore --noflush</c> makes several changes at once.
/// </summary>
/// <param name="search">Folders to look for it, in order.</param>
internal sealed class IptablesTool(IReadOnlyList<string> search)
{
    /// <summary>A transaction is told of at once; process ids are used again some day.</summary>
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(10);

    /// <summary>How long iptables waits for another one that holds the lock, seconds.</summary>
    private const int LockSeconds = 3;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<uint, long> _children = [];

    /// <summary>The folders of PATH, and those where distributions put it.</summary>
    public static IReadOnlyList<string> DefaultSearch =>
        [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries), "/usr/local/sbin", "/usr/sbin", "/sbin"];

    /// <summary>
    /// Whether a transaction on nftables came from one of the commands run here. The kernel gives a socket the process id of its owner as
    /// address (netlink_autobind), as that process sees it. Callable from any thread.
    /// </summary>
    public bool IsOwn(uint portId)
    {
        // The event of a command can be here before Start has returned: it then waits for the id.
        lock (_gate)
            return _children.TryGetValue(portId, out var since) && Stopwatch.GetElapsedTime(since) < Remembered;
    }

    /// <summary>Changes rules.</summary>
    /// <param name="isLegacy">Those of x_tables rather than those in nf_tables.</param>
    /// <param name="script">The input of <c>iptables-restore</c>.</param>
    /// <exception cref="IptablesException">There is no such command here, or it failed or took too long.</exception>
    public void Restore(bool isLegacy, string script)
    {
        var command = Find(isLegacy);
        var (code, _, error) = Run(command, ["--noflush", "-w", LockSeconds.ToString(CultureInfo.InvariantCulture)], script);
        if (code != 0)
        {
            throw new IptablesException(
                $"{Path.GetFileName(command)} refused our rules: {error.ReplaceLineEndings(" ").Trim()}",
                "the message says why; the agent tries again when the rules change, or in half a minute");
        }
    }

    private string Find(bool isLegacy)
    {
        var kind = isLegacy ? "legacy" : "nft";
        if (Locate($"iptables-{kind}-restore") is { } exact)
            return exact;
        // Where there is only one kind it has the plain name, and says which it is: "iptables-restore v1.8.9 (nf_tables)".
        if (Locate("iptables-restore") is { } plain && Run(plain, ["--version"], "") is (0, var version, _) && version.Contains("nf_tables", StringComparison.Ordinal) != isLegacy)
            return plain;
        throw new IptablesException(
            $"iptables-{kind}-restore is not installed, so nothing gets through the rules that iptables made here",
            $"install iptables (apt-get install iptables, dnf install iptables-{kind}); or accept the overlay's traffic in these rules yourself");
    }

    private string? Locate(string name) => search.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    private (int Code, string Output, string Error) Run(string command, IReadOnlyList<string> arguments, string input)
    {
        var start = new ProcessStartInfo(command, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["LC_ALL"] = "C";
        using (var process = new Process { StartInfo = start })
        {
            try
            {
                lock (_gate)
                {
                    process.Start();
                    foreach (var (old, since) in _children.ToList())
                    {
                        if (Stopwatch.GetElapsedTime(since) >= Remembered)
                            _children.Remove(old);
                    }

                    _children[(uint)process.Id] = Stopwatch.GetTimestamp();
                }

                // Process.Dispose leaves open what was read from by hand.
                using var output = process.StandardOutput;
                using var error = process.StandardError;
                var (says, complains) = (output.ReadToEndAsync(), error.ReadToEndAsync());
                try
                {
                    using var feed = process.StandardInput;
                    feed.Write(input);
                }
                catch (IOException)
                {
                    // ignoring: it ended without reading all; its exit code tells why.
                }

                if (!process.WaitForExit(Limit))
                {
                    process.Kill();
                    throw new IptablesException($"{Path.GetFileName(command)} did not end within {Limit.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s", "look for another iptables that holds the lock (/run/xtables.lock)");
                }

                return (process.ExitCode, says.GetAwaiter().GetResult(), complains.GetAwaiter().GetResult());
            }
            catch (Win32Exception e)
            {
                throw new IptablesException($"{command} cannot be run: {e.Message}", "make it executable for the agent", e);
            }
        }
    }
}

using System.Globalization;
using System.Text.RegularExpressions;

namespace Accelerated.Lab;

/// <summary>
/// What there is of a lab on this machine, found by looking at the machine: it also finds what a lab left that was killed
/// half-made.
/// </summary>
internal sealed partial class Wreckage(LabLayout layout)
{
    private readonly LabCommands _commands = new(layout.Name);

    /// <summary>Names of its namespaces, sorted.</summary>
    public IReadOnlyList<string> Namespaces() =>
        Directory.Exists(LabLayout.NamespaceDirectory)
            ? Directory.EnumerateFiles(LabLayout.NamespaceDirectory).Select(f => Path.GetFileName(f)!).Where(layout.Owns).Order(StringComparer.Ordinal).ToList()
            : [];

    /// <summary>
    /// Ids of its processes: those inside its namespaces, and those that carry its name in their environment because they
    /// are on their way into one. Never this process or one it descends from.
    /// </summary>
    public async Task<IReadOnlyList<int>> ProcessesAsync(CancellationToken cancel = default)
    {
        var found = new HashSet<int>(MarkedProcesses());
        if (Namespaces() is { Count: > 0 } namespaces)
        {
            var inside = await _commands.ExecAsync(
                ["sh", "-c", """for ns; do ip netns pids "$ns"; done""", "sh", .. namespaces], cancel: cancel);
            found.UnionWith(inside.Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse));
        }
        found.ExceptWith(Ancestry());
        return found.Order().ToList();
    }

    /// <summary>Mount points below its run directory, deepest first.</summary>
    public IReadOnlyList<string> Mounts() =>
        File.ReadLines("/proc/self/mountinfo")
            .Select(line => Octal().Replace(line.Split(' ')[4], m => ((char)Convert.ToInt32(m.Groups[1].Value, 8)).ToString()))
            .Where(point => point == layout.RunDirectory || point.StartsWith(layout.RunDirectory + "/", StringComparison.Ordinal))
            .OrderByDescending(point => point.Length)
            .ToList();

    /// <summary>Removes all of it.</summary>
    /// <returns>Whether there was anything.</returns>
    /// <exception cref="LabException">Something could not be removed.</exception>
    public async Task<bool> RemoveAsync()
    {
        var any = Directory.Exists(layout.RunDirectory);
        // A process may have started another one between the look and the kill, or may only now enter a namespace.
        await Wait.UntilAsync($"the end of the processes of the lab '{layout.Name}'", async () =>
        {
            var processes = await ProcessesAsync();
            if (processes.Count == 0)
                return true;
            any = true;
            await _commands.SignalAsync("KILL", processes);
            return false;
        });

        any |= await new MachineCgroups(layout).RemoveAsync();
        foreach (var mount in Mounts())
        {
            any = true;
            await _commands.RunAsync(["umount", "-l", mount]);
        }
        if (Namespaces() is { Count: > 0 } namespaces)
        {
            any = true;
            await _commands.IpBatchAsync(namespaces.Select(ns => $"netns del {ns}").ToList());
        }
        if (Directory.Exists(layout.RunDirectory))
            Directory.Delete(layout.RunDirectory, recursive: true);
        return any;
    }

    private IEnumerable<int> MarkedProcesses()
    {
        var mark = $"{LabCommands.OwnerVariable}={layout.Name}";
        foreach (var pid in AllProcesses())
        {
            string environment;
            try
            {
                environment = File.ReadAllText($"/proc/{pid}/environ");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                continue; // It has exited.
            }
            if (environment.Split('\0').Contains(mark))
                yield return pid;
        }
    }

    private static IEnumerable<int> AllProcesses() =>
        Directory.EnumerateDirectories("/proc")
            .Select(path => int.TryParse(Path.GetFileName(path), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0)
            .Where(pid => pid > 0);

    private static IEnumerable<int> Ancestry()
    {
        for (var pid = Environment.ProcessId; pid > 0;)
        {
            yield return pid;
            // PID (comm) state ppid …; the name may hold spaces and brackets (proc(5)).
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            pid = int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
    }

    // mountinfo writes a space as \040.
    [GeneratedRegex(@"\\([0-7]{3})")]
    private static partial Regex Octal();
}

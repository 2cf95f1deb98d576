using System.Text.RegularExpressions;

namespace Accelerated.Lab;

/// <summary>
/// The cgroups of a lab's machines, one below each root that systemd looks at: the unified hierarchy, and beside controllers of version 1 the
/// one named <c>systemd</c>. Two systemds must not meet in one.
/// </summary>
internal sealed class MachineCgroups(LabLayout layout)
{
    private const string Root = "/sys/fs/cgroup";

    private static readonly string[] Roots =
        Directory.Exists($"{Root}/unified") || Directory.Exists($"{Root}/systemd")
            ? [.. ((string[])[$"{Root}/systemd", $"{Root}/unified"]).Where(Directory.Exists)]
            : [Root];

    /// <summary>Where a machine's processes are to be; made by whoever enters.</summary>
    public IEnumerable<string> Of(int machine) => Roots.Select(root => $"{root}/accelerated-{layout.MachineName(machine)}");

    /// <summary>All there are.</summary>
    public IReadOnlyList<string> Folders()
    {
        var name = new Regex($"^accelerated-{Regex.Escape(layout.Name)}-machine\\d+$");
        return Roots.Where(Directory.Exists).SelectMany(Directory.EnumerateDirectories).Where(folder => name.IsMatch(Path.GetFileName(folder))).ToList();
    }

    /// <summary>Removes them; their processes have been killed.</summary>
    /// <returns>Whether there were any.</returns>
    /// <exception cref="LabException">One is still in use.</exception>
    public async Task<bool> RemoveAsync()
    {
        if (Folders().Count == 0)
            return false;
        // A process that was killed is in its cgroup until its parent has asked for it.
        await Wait.UntilAsync($"the end of the cgroups of the lab '{layout.Name}'", () =>
        {
            foreach (var folder in Folders())
                TryRemove(folder);
            return Folders().Count == 0;
        });
        return true;
    }

    private static void TryRemove(string folder)
    {
        try
        {
            foreach (var inner in Directory.EnumerateDirectories(folder))
                TryRemove(inner);
            // The files in there are the kernel's: only rmdir(2), which Directory.Delete is when it is not recursive.
            Directory.Delete(folder);
        }
        catch (IOException)
        {
            // In use, or gone meanwhile; looked at again.
        }
    }
}

using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// Programs attached by pinned tcx and XDP links, which outlive the agent. A link that is there is given the new program in one step; other
/// people's programs on the same hook keep their place.
/// </summary>
internal sealed class PinnedLinks : IDisposable
{
    private const string Prefix = "link_";

    private readonly Dictionary<string, BpfLink> _links = new(StringComparer.Ordinal);

    /// <summary>Sees to it that <paramref name="program"/> runs on the hook; returns what had to be done, or null.</summary>
    public string? EnsureTcx(BpfProgram program, int interfaceIndex, TcxHook hook, string directory) =>
        Ensure(program, interfaceIndex, directory, () => BpfLink.AttachTcx(program, interfaceIndex, hook));

    /// <summary>The same for an XDP program in native mode.</summary>
    public string? EnsureXdp(BpfProgram program, int interfaceIndex, string directory) =>
        Ensure(program, interfaceIndex, directory, () => BpfLink.AttachXdp(program, interfaceIndex));

    /// <summary>The programs of all links that are pinned below a directory.</summary>
    public IEnumerable<uint> Programs(string directory)
    {
        if (!Directory.Exists(directory))
            yield break;
        foreach (var path in Directory.EnumerateFiles(directory, Prefix + "*", SearchOption.AllDirectories))
        {
            if (_links.TryGetValue(path, out var held))
            {
                yield return held.Info.ProgramId;
                continue;
            }

            using var link = BpfLink.OpenPinned(path);
            if (link is not null)
                yield return link.Info.ProgramId;
        }
    }

    /// <summary>Detaches one program; false when it was not attached this way.</summary>
    public bool Remove(string program, string directory) => Drop(PathOf(program, directory));

    /// <summary>Detaches everything that is pinned in a directory, by whichever agent.</summary>
    public void RemoveAll(string directory)
    {
        foreach (var path in Directory.EnumerateFiles(directory, Prefix + "*").Union(_links.Keys.Where(k => Path.GetDirectoryName(k) == directory)).ToList())
            Drop(path);
    }

    /// <summary>Detaches what this process holds, whatever became of the pins.</summary>
    public void RemoveHeld()
    {
        foreach (var path in _links.Keys.ToList())
            Drop(path);
    }

    /// <summary>Lets go of the links; pinned ones stay attached.</summary>
    public void Dispose()
    {
        foreach (var link in _links.Values)
            link.Dispose();
        _links.Clear();
    }

    private static string PathOf(string program, string directory) => Path.Combine(directory, Prefix + program);

    private string? Ensure(BpfProgram program, int interfaceIndex, string directory, Func<BpfLink> attach)
    {
        var path = PathOf(program.Name, directory);
        if (!_links.TryGetValue(path, out var link) && BpfLink.OpenPinned(path) is { } adopted)
            _links[path] = link = adopted;
        // A link whose device is gone, or that somebody detached, says interface 0.
        if (link is not null && link.Info.InterfaceIndex != interfaceIndex)
        {
            Drop(path);
            link = null;
        }

        if (link is null)
        {
            link = attach();
            _links[path] = link;
            link.Pin(path);
            return $"attach {program.Name}";
        }

        if (!File.Exists(path))
            link.Pin(path);
        if (link.Info.ProgramId == program.Id)
            return null;
        link.Update(program);
        return $"replace the program of {program.Name}";
    }

    private bool Drop(string path)
    {
        var held = _links.Remove(path, out var link);
        link?.Dispose();
        var pinned = File.Exists(path);
        if (pinned)
            File.Delete(path);
        return held || pinned;
    }
}

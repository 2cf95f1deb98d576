using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>Loads one of the embedded objects over the maps that are pinned already, and pins those that are not.</summary>
internal static class LaneObject
{
    /// <summary>Loads an object.</summary>
    /// <param name="name">Its name without <c>.bpf.o</c>.</param>
    /// <param name="directory">Where its maps are pinned.</param>
    /// <param name="maps">The names of its maps.</param>
    /// <exception cref="LanesUnavailableException">This build has none of that name.</exception>
    public static BpfObject Load(string name, string directory, IReadOnlyList<string> maps)
    {
        var loaded = BpfObject.Open(Image(name), name);
        try
        {
            foreach (var map in maps)
            {
                using var pinned = BpfMap.OpenPinned(Path.Combine(directory, map));
                if (pinned is not null)
                    loaded.Reuse(map, pinned);
            }

            loaded.Load();
            foreach (var map in maps)
            {
                var path = Path.Combine(directory, map);
                if (File.Exists(path))
                    continue;
                using var made = loaded.Map(map);
                made.Pin(path);
            }

            return loaded;
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    private static byte[] Image(string name)
    {
        using var stream = typeof(LaneObject).Assembly.GetManifestResourceStream(name + ".bpf.o")
            ?? throw new LanesUnavailableException($"this build carries no eBPF object {name}");
        var image = new byte[stream.Length];
        stream.ReadExactly(image);
        return image;
    }
}

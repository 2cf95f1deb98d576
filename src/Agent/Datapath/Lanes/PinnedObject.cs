using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>Loads an object over the maps that are pinned already, and pins those that are not.</summary>
internal static class PinnedObject
{
    /// <summary>Loads an object.</summary>
    /// <param name="image">The ELF file.</param>
    /// <param name="name">What errors call it.</param>
    /// <param name="directory">Where its maps are pinned.</param>
    /// <param name="maps">The names of its maps.</param>
    public static BpfObject Load(byte[] image, string name, string directory, IReadOnlyList<string> maps)
    {
        var loaded = BpfObject.Open(image, name);
        try
        {
            foreach (var map in maps)
            {
                using var pinned = BpfMap.OpenPinned(Path.Combine(directory, map));
                if (pinned is not null)
                    loaded.Reuse(map, pinned);
            }

            loaded.Load();
            Pin(loaded, directory, maps);
            return loaded;
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    /// <summary>Pins those of its maps that are not pinned, also when somebody has removed the pins, and the directory with them.</summary>
    public static void Pin(BpfObject loaded, string directory, IReadOnlyList<string> maps)
    {
        Directory.CreateDirectory(directory);
        foreach (var map in maps)
        {
            var path = Path.Combine(directory, map);
            if (File.Exists(path))
                continue;
            using var made = loaded.Map(map);
            made.Pin(path);
        }
    }
}

using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// Programs attached as filters under clsact: always the same priority and handle, so that putting in a new program replaces the one
/// before in one step.
/// </summary>
/// <remarks>
/// <para>The priority is close to the last there is. The lanes stand in for the vxlan driver, and the driver comes after every filter:
/// so other people's filters see, count, police and drop what they always did.</para>
/// <para>A filter does not end with a pin as a link does, so a pin of the program remembers where it is: <c>filter_NAME_IFINDEX_HOOK</c>,
/// written before the filter is. The handle is the instance's, so that the agents of two overlays share an interface.</para>
/// <para>The qdisc stays when the filter goes. Others may have come to use it; and the kernel takes all queues of an interface out of
/// service for a moment whenever a qdisc is put in or out, clsact included, and drops what is sent just then (qdisc_graft, Linux 6.18:
/// a 1 kHz ping lost 4 packets in 20 such changes). An empty clsact costs nothing.</para>
/// </remarks>
internal sealed class ClsactFilters(string instance)
{
    private const ushort Priority = 65000;
    private const string Prefix = "filter_";

    /// <summary>Where the instance's filters are on every hook.</summary>
    public TcFilterSlot Slot { get; } = new(HandleOf(instance), Priority);

    /// <summary>Sees to it that <paramref name="program"/> is the filter on the hook; returns what had to be done, or null.</summary>
    public string? Ensure(BpfProgram program, int interfaceIndex, TcxHook hook, string directory)
    {
        var place = new Place(program.Name, interfaceIndex, hook);
        foreach (var stale in Pinned(directory).Where(p => p.Program == program.Name && p != place))
            Remove(stale, directory);
        var path = Path.Combine(directory, place.PinName);
        var before = Clsact.FindProgram(interfaceIndex, hook, Slot);
        if (before == program.Id && File.Exists(path))
            return null;
        Pin(program, path);
        if (before == program.Id)
            return null;
        var isNew = Clsact.Attach(program, interfaceIndex, hook, Slot);
        return before is null ? $"attach {program.Name} as a clsact filter{(isNew ? ", the first on its interface" : "")}" : $"replace the program of {program.Name}";
    }

    /// <summary>Detaches one program; false when it was not attached this way.</summary>
    public bool Remove(string program, string directory)
    {
        var found = Pinned(directory).Where(p => p.Program == program).ToList();
        found.ForEach(p => Remove(p, directory));
        return found.Count > 0;
    }

    /// <summary>Detaches everything that is pinned in a directory, by whichever agent.</summary>
    public void RemoveAll(string directory) => Pinned(directory).ForEach(p => Remove(p, directory));

    /// <summary>Detaches what another directory remembers, except where a filter of this one is in its place.</summary>
    public void TakeOver(string other, string directory)
    {
        var ours = Pinned(directory).Select(p => (p.InterfaceIndex, p.Hook)).ToHashSet();
        foreach (var place in Pinned(other))
        {
            // The new schema's program has replaced the old one's in the same slot.
            if (ours.Contains((place.InterfaceIndex, place.Hook)))
                File.Delete(Path.Combine(other, place.PinName));
            else
                Remove(place, other);
        }
    }

    private static List<Place> Pinned(string directory) =>
        [.. Directory.EnumerateFiles(directory, Prefix + "*").Select(p => Place.Parse(Path.GetFileName(p))).OfType<Place>()];

    /// <summary>Pins in place of what is pinned there, so that there is always something.</summary>
    private static void Pin(BpfProgram program, string path)
    {
        var next = path + "_next";
        File.Delete(next);
        program.Pin(next);
        File.Move(next, path, overwrite: true);
    }

    private static uint HandleOf(string instance)
    {
        var hash = BitConverter.ToUInt32(SHA256.HashData(Encoding.UTF8.GetBytes(instance)));
        return (hash & int.MaxValue) | 1;
    }

    private void Remove(Place place, string directory)
    {
        Clsact.Detach(place.InterfaceIndex, place.Hook, Slot);
        File.Delete(Path.Combine(directory, place.PinName));
    }

    private sealed record Place(string Program, int InterfaceIndex, TcxHook Hook)
    {
        public string PinName =>
            string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Program}_{InterfaceIndex}_{(Hook == TcxHook.Ingress ? "ingress" : "egress")}");

        public static Place? Parse(string name)
        {
            var words = name[Prefix.Length..].Split('_');
            return words is [.., var index, "ingress" or "egress"] && int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out var interfaceIndex)
                ? new(string.Join('_', words[..^2]), interfaceIndex, words[^1] == "ingress" ? TcxHook.Ingress : TcxHook.Egress)
                : null;
        }
    }
}

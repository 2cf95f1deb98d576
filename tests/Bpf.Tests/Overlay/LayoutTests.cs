using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Accelerated.Interop.Libbpf;
using Accelerated.Interop.Libbpf.Overlay;

namespace Accelerated.Bpf.Tests.Overlay;

/// <summary>The agent's structures against what clang made of bpf/types.h: names, places and sizes of all members, and enum values.</summary>
public sealed partial class LayoutTests
{
    private static readonly Dictionary<int, JsonElement> OfMaps = ReadTypes(BpfCompiler.Shortcut);
    private static readonly Dictionary<int, JsonElement> OfRecords = ReadTypes(BpfCompiler.Compile("Programs/layouts.bpf.c"));

    public static TheoryData<string, Type> Structures => new()
    {
        { "subnet_key", typeof(SubnetKey) },
        { "subnet_value", typeof(SubnetValue) },
        { "vtep_key", typeof(VtepKey) },
        { "vtep_value", typeof(VtepValue) },
        { "config_value", typeof(ConfigValue) },
        { "lane_counters", typeof(LaneCounters) },
        { "endpoint_key", typeof(EndpointKey) },
        { "endpoint_value", typeof(EndpointValue) },
        { "shortcut_value", typeof(ShortcutValue) },
        { "allow_value", typeof(AllowValue) },
        { "refusal", typeof(RefusalSample) },
    };

    public static TheoryData<string, string, Type> Enums => new()
    {
        { "transport", "TRANSPORT", typeof(OverlayTransport) },
        { "guard_mode", "GUARD", typeof(OverlayGuard) },
        { "shortcut_mode", "SHORTCUT", typeof(OverlayShortcut) },
        { "lane", "LANE", typeof(OverlayLane) },
        { "tunnel_in", "TUNNEL_IN", typeof(OverlayTunnelIn) },
        { "refusal_reason", "REFUSED", typeof(RefusalReason) },
    };

    [Theory]
    [MemberData(nameof(Structures))]
    public void Structure_OfTheAgent_IsThatOfTheObject(string native, Type managed)
    {
        var types = managed == typeof(RefusalSample) ? OfRecords : OfMaps;
        var structure = types.Values.Single(t => Kind(t) == "STRUCT" && Name(t) == native);
        var expected = structure.GetProperty("members").EnumerateArray()
            .Select(m => (Pascal(Name(m)), m.GetProperty("bits_offset").GetInt32() / 8, SizeOf(types, m.GetProperty("type_id").GetInt32())));
        var found = managed.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Select(f => (f.Name, f.GetCustomAttribute<FieldOffsetAttribute>()!.Value, SizeOf(f.FieldType)));
        Assert.Equal(expected, found);
        Assert.Equal(structure.GetProperty("size").GetInt32(), SizeOf(managed));
    }

    [Fact]
    public void Names_OfTheCounters_AreThoseOfTheObject()
    {
        var structure = OfMaps.Values.Single(t => Kind(t) == "STRUCT" && Name(t) == "lane_counters");
        Assert.Equal(structure.GetProperty("members").EnumerateArray().Select(Name), LaneCounters.Names);
        Assert.Equal(LaneCounters.Names.Count * sizeof(ulong), SizeOf(typeof(LaneCounters)));
    }

    // clang leaves enums that no variable has out of the BTF, so these are read from the source.
    [Theory]
    [MemberData(nameof(Enums))]
    public void Enum_OfTheAgent_IsThatOfTheSource(string native, string prefix, Type managed)
    {
        var source = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "bpf/types.h"));
        var body = Regex.Match(source, $@"enum {native} \{{(.*?)\}}", RegexOptions.Singleline).Groups[1].Value;
        var expected = Constant().Matches(body)
            .Select(m => (Name: Pascal(m.Groups[1].Value.ToLowerInvariant()), Value: int.Parse(m.Groups[2].Value)))
            .Where(c => c.Name != Pascal($"{prefix}_count".ToLowerInvariant()))
            .ToList();
        Assert.NotEmpty(expected);

        // LANE_1_OUT is Lane1Out, but TRANSPORT_VXLAN is OverlayTransport.Vxlan.
        var found = Enum.GetNames(managed).Select(n => (
            Name: n.StartsWith(Pascal(prefix.ToLowerInvariant()), StringComparison.Ordinal) ? n : Pascal(prefix.ToLowerInvariant()) + n,
            Value: Convert.ToInt32(Enum.Parse(managed, n))));
        Assert.Equal(expected, found);
    }

    [Fact]
    public void Maps_OfTheObject_HaveTheAgentsKeysAndValues()
    {
        using var overlay = BpfObject.Open(BpfCompiler.Shortcut, "shortcut");
        overlay.Load();
        var expected = new[]
        {
            ("subnets", BpfMapType.LpmTrie, SizeOf(typeof(SubnetKey)), SizeOf(typeof(SubnetValue)), 16384),
            ("subnet_slots", BpfMapType.Array, sizeof(uint), SizeOf(typeof(SubnetValue)), 65536),
            ("vteps", BpfMapType.PerCpuHash, SizeOf(typeof(VtepKey)), SizeOf(typeof(VtepValue)), 16384),
            ("lane_stats", BpfMapType.PerCpuArray, sizeof(uint), SizeOf(typeof(LaneCounters)), Enum.GetValues<OverlayLane>().Length),
            ("config", BpfMapType.Array, sizeof(uint), SizeOf(typeof(ConfigValue)), 1),
            ("endpoints", BpfMapType.Hash, SizeOf(typeof(EndpointKey)), SizeOf(typeof(EndpointValue)), 4096),
            ("shortcut", BpfMapType.Array, sizeof(uint), SizeOf(typeof(ShortcutValue)), 1),
            ("refusals", BpfMapType.RingBuffer, 0, 0, 65536),
            ("refusal_turn", BpfMapType.PerCpuArray, sizeof(uint), sizeof(ulong), 1),
            ("guard_allow", BpfMapType.LpmTrie, SizeOf(typeof(SubnetKey)), SizeOf(typeof(AllowValue)), 1024),
        };
        var found = expected.Select(e =>
        {
            using var map = overlay.Map(e.Item1);
            return (map.Name, map.Type, map.KeySize, map.ValueSize, map.MaxEntries);
        });
        Assert.Equal(expected, found);
    }

    private static Dictionary<int, JsonElement> ReadTypes(byte[] image)
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(file, image);
            return JsonDocument.Parse(BpfCompiler.Execute("bpftool", "btf", "dump", "file", file, "-j")).RootElement
                .GetProperty("types").EnumerateArray().ToDictionary(t => t.GetProperty("id").GetInt32());
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static string Kind(JsonElement type) => type.GetProperty("kind").GetString()!;

    private static string Name(JsonElement type) => type.GetProperty("name").GetString()!;

    private static int SizeOf(Dictionary<int, JsonElement> types, int id)
    {
        var type = types[id];
        return Kind(type) switch
        {
            "ARRAY" => type.GetProperty("nr_elems").GetInt32() * SizeOf(types, type.GetProperty("type_id").GetInt32()),
            "TYPEDEF" => SizeOf(types, type.GetProperty("type_id").GetInt32()),
            _ => type.GetProperty("size").GetInt32(),
        };
    }

    internal static int SizeOf(Type type) =>
        (int)typeof(System.Runtime.CompilerServices.Unsafe).GetMethod("SizeOf")!.MakeGenericMethod(type).Invoke(null, null)!;

    private static string Pascal(string snake) => string.Concat(snake.Split('_').Select(w => char.ToUpperInvariant(w[0]) + w[1..]));

    [GeneratedRegex(@"\b([A-Z0-9_]+) = (\d+)")]
    private static partial Regex Constant();
}

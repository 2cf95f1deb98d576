using System.Collections.Immutable;
using Accelerated.Interop.Libbpf;

namespace Accelerated.Agent.Datapath.Lanes;

/// <summary>
/// Where the programs come from: a folder the operator names, the agent's binary, or this host's clang. Tells when it is not what was
/// asked for. Written by the reconcile loop, read from any thread.
/// </summary>
internal sealed class LaneObjects(LaneObjectOptions options)
{
    private static readonly ImmutableSortedDictionary<string, string> None = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    private readonly LaneCompiler _compiler = new(options.CacheDirectory);
    private ImmutableSortedDictionary<string, string> _origins = None;
    private ImmutableSortedDictionary<string, string> _setbacks = None;

    /// <summary>Where the loaded objects are from, by name; those of the agent's binary are not named.</summary>
    public ImmutableSortedDictionary<string, string> Origins => Volatile.Read(ref _origins);

    /// <summary>Why a loaded object is not the one that was asked for first, by name.</summary>
    public ImmutableSortedDictionary<string, string> Setbacks => Volatile.Read(ref _setbacks);

    /// <summary>
    /// Loads an object, by the first way that works. The next is tried when there is no object to be had or the verifier refuses it; what
    /// else can fail would fail with any object.
    /// </summary>
    /// <param name="name"><c>overlay</c> for <c>overlay.bpf.o</c>.</param>
    /// <param name="load">Loads it into the kernel.</param>
    /// <exception cref="LanesUnavailableException">None works; the message has why, for each.</exception>
    public T Load<T>(string name, Func<LaneObject, T> load)
    {
        var setbacks = new List<string>();
        VerifierException? refusal = null;
        foreach (var way in Ways(name, setbacks))
        {
            try
            {
                var found = way();
                var loaded = load(found);
                Volatile.Write(ref _origins, found.Origin is { } origin ? Origins.SetItem(name, origin) : Origins.Remove(name));
                Volatile.Write(ref _setbacks, setbacks.Count > 0 ? Setbacks.SetItem(name, string.Join("; ", setbacks)) : Setbacks.Remove(name));
                return loaded;
            }
            catch (LaneCompileException e)
            {
                setbacks.Add(e.Message);
            }
            catch (VerifierException e) when (!e.IsNotPermitted)
            {
                refusal ??= e;
                setbacks.Add(e.Message);
            }
        }

        throw LaneFaults.Refused(name, setbacks, refusal);
    }

    private Func<LaneObject>[] Ways(string name, List<string> setbacks)
    {
        if (options.Directory is { } directory)
        {
            // Nothing comes after it: whoever names an object wants to know how that one fares.
            var path = Path.Combine(directory, $"{name}.bpf.o");
            if (File.Exists(path))
                return [() => new($"from {path}", File.ReadAllBytes(path))];
            setbacks.Add($"there is no {path}");
        }

        return options.Compile switch
        {
            LaneCompile.Always => [() => _compiler.Compile(name), () => Embedded(name)],
            LaneCompile.Never => [() => Embedded(name)],
            _ => [() => Embedded(name), () => _compiler.Compile(name)],
        };
    }

    private static LaneObject Embedded(string name)
    {
        using var stream = typeof(LaneObjects).Assembly.GetManifestResourceStream($"{name}.bpf.o")
            ?? throw new LanesUnavailableException($"this build carries no eBPF object {name}") { IsLasting = true };
        var image = new byte[stream.Length];
        stream.ReadExactly(image);
        return new(null, image);
    }
}

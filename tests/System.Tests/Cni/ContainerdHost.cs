using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using Accelerated.Lab;

namespace Accelerated.System.Tests.Cni;

/// <summary>
/// A real containerd on a host of the lab, with folders of its own and one image, busybox. Its client looks for plugins in /opt/cni/bin and
/// for networks in /etc/cni/net.d: it is given a view of the file system in which the test's are there.
/// </summary>
internal sealed class ContainerdHost : IAsyncDisposable
{
    private const string Image = "docker.io/library/bb:1";

    // Private mounts: nothing of it is seen outside, and nothing remains.
    private const string View = """
        mount -t tmpfs cni /opt; mkdir -p /opt/cni; ln -s "$1" /opt/cni/bin
        mkdir -p "$2/upper" "$2/work"; mount -t overlay -o "lowerdir=/etc,upperdir=$2/upper,workdir=$2/work" etc /etc; mkdir -p /etc/cni/net.d; cp "$2/10-flannel.conflist" /etc/cni/net.d/
        mount -t tmpfs var /var/lib; shift 2; exec "$@"
        """;

    /// <summary>The lab's mark, by which it finds what is left of it.</summary>
    private const string OwnerVariable = "ACCELERATED_LAB_OWNER";

    private readonly LabNode _node;
    private readonly string _folder;
    private readonly CniHost _cni;
    private BackgroundCommand? _daemon;

    private ContainerdHost(LabNode node, CniHost cni)
    {
        (_node, _cni) = (node, cni);
        _folder = $"{node.Layout.ScratchDirectory}/{node.Namespace}-containerd";
    }

    private static string Tools => $"{LabTools.Docker("20.10")}/usr/bin";

    private string[] Path => ["env", $"PATH={Tools}:/usr/sbin:/usr/bin:/sbin:/bin", $"{OwnerVariable}={_node.Layout.Name}"];

    /// <summary>Starts it.</summary>
    /// <param name="node">The host.</param>
    /// <param name="cni">Its plugins.</param>
    /// <param name="list">The list of networks, as in a file of /etc/cni/net.d.</param>
    /// <exception cref="LabException">It does not come up.</exception>
    public static async Task<ContainerdHost> StartAsync(LabNode node, CniHost cni, string list)
    {
        var host = new ContainerdHost(node, cni);
        try
        {
            Directory.CreateDirectory(host._folder);
            await File.WriteAllTextAsync($"{host._folder}/10-flannel.conflist", list);
            host._daemon = node.Start([.. host.Path, "containerd", "--address", $"{host._folder}/sock", "--root", $"{host._folder}/root", "--state", $"{host._folder}/run"]);
            await host._daemon.WaitAsync("its socket", () => File.Exists($"{host._folder}/sock"));
            await host.ImportAsync();
            return host;
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a container with <c>ctr run --cni</c> to its end; its name is made the lab's, because runc's folder is the machine's.</summary>
    public Task<CommandResult> RunAsync(string name, string script) => ClientAsync("run", "--rm", "--cni", Image, $"{_node.Layout.Name}-{name}", "/bin/sh", "-c", script);

    /// <summary>Runs <c>ctr</c>.</summary>
    public Task<CommandResult> ClientAsync(params string[] command) => _node.ExecAsync(
        ["unshare", "-m", "sh", "-ec", View, "sh", _cni.PluginFolder, _folder, .. Path, "ctr", "--address", $"{_folder}/sock", .. command],
        stdin: null, TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_daemon is not null)
        {
            if (_daemon.IsRunning)
            {
                // What a run that failed has left: ctr leaves that to whoever called it.
                foreach (var name in (await ClientAsync("tasks", "ls", "-q")).Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries))
                    await ClientAsync("tasks", "rm", "-f", name);
                await _daemon.StopAsync("TERM");
            }

            await _daemon.DisposeAsync();
        }
    }

    /// <summary>An image as <c>docker save</c> writes it, with one layer.</summary>
    private async Task ImportAsync()
    {
        var layer = await TarAsync(async tar =>
        {
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.Directory, "bin/") { Mode = (UnixFileMode)Convert.ToInt32("755", 8) });
            await using var busybox = File.OpenRead($"{LabTools.Docker("20.10")}/bin/busybox");
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, "bin/busybox") { DataStream = busybox, Mode = (UnixFileMode)Convert.ToInt32("755", 8) });
            foreach (var tool in (string[])["sh", "ping", "ip", "cat"])
                await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.SymbolicLink, $"bin/{tool}") { LinkName = "busybox" });
        });
        var config = Encoding.UTF8.GetBytes(
            $$$"""{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:{{{Convert.ToHexStringLower(SHA256.HashData(layer))}}}"]}}""");
        var manifest = Encoding.UTF8.GetBytes($$"""[{"Config":"config.json","RepoTags":["{{Image}}"],"Layers":["layer.tar"]}]""");
        var image = await TarAsync(async tar =>
        {
            foreach (var (name, content) in ((string, byte[])[])[("layer.tar", layer), ("config.json", config), ("manifest.json", manifest)])
                await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });
        });
        await File.WriteAllBytesAsync($"{_folder}/image.tar", image);
        (await ClientAsync("images", "import", $"{_folder}/image.tar")).OrThrow();
    }

    private static async Task<byte[]> TarAsync(Func<TarWriter, Task> write)
    {
        using var stream = new MemoryStream();
        await using (var tar = new TarWriter(stream, leaveOpen: true))
            await write(tar);
        return stream.ToArray();
    }
}

namespace Accelerated.Lab;

/// <summary>Where things are that the lab uses but the distribution does not install.</summary>
public static class LabTools
{
    /// <summary>The folder with <c>Accelerated.sln</c> above the running program; null if it runs from elsewhere.</summary>
    public static string? Repository { get; } = FindRepository();

    /// <summary>The agent: what the spec says, <c>ACCELERATED_BIN</c>, or <c>artifacts/accelerated</c>.</summary>
    /// <exception cref="LabException">There is none.</exception>
    public static string Agent(string? chosen) =>
        Find(chosen ?? Environment.GetEnvironmentVariable("ACCELERATED_BIN"), "artifacts/accelerated", null)
        ?? throw new LabException("there is no agent at artifacts/accelerated: run 'make build', or name one with ACCELERATED_BIN");

    /// <summary>etcd: <c>ACCELERATED_ETCD</c>, <c>artifacts/tools</c>, or from the PATH; a version that is named is that one or none.</summary>
    /// <exception cref="LabException">There is none.</exception>
    public static string Etcd(string? version = null) => EtcdTool("etcd", "ACCELERATED_ETCD", version);

    /// <summary>etcdctl: <c>ACCELERATED_ETCDCTL</c>, <c>artifacts/tools</c>, or from the PATH; a version that is named is that one or none.</summary>
    /// <exception cref="LabException">There is none.</exception>
    public static string Etcdctl(string? version = null) => EtcdTool("etcdctl", "ACCELERATED_ETCDCTL", version);

    /// <summary>The library that, preloaded, shows a process another clock.</summary>
    /// <exception cref="LabException">It is not there.</exception>
    public static string Faketime() =>
        Repository is not null && Path.Combine(Repository, "artifacts/tools/faketime") is var folder && Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder, "libfaketimeMT.so.1", SearchOption.AllDirectories).Single()
            : throw new LabException("there is no libfaketime in artifacts/tools/faketime: run 'make deps'");

    /// <summary>The small Debian that machines boot from.</summary>
    /// <exception cref="LabException">It is not there.</exception>
    public static string NodeTree() =>
        Repository is not null && Path.Combine(Repository, "artifacts/tools/node/tree") is var tree && Directory.Exists(tree)
            ? tree
            : throw new LabException("there is no tree in artifacts/tools/node: run 'make deps'");

    /// <summary>A version of Docker, unpacked: the folder below which its <c>usr/sbin/dockerd</c> is.</summary>
    /// <param name="version"><c>20.10</c>, which has containerd, runc and busybox beside it, or <c>latest</c>.</param>
    /// <exception cref="LabException">There is none.</exception>
    public static string Docker(string version) =>
        Find(null, $"artifacts/tools/docker/{version}/usr/sbin/dockerd", null) is { } dockerd
            ? Path.GetFullPath(Path.Combine(Path.GetDirectoryName(dockerd)!, "..", ".."))
            : throw new LabException($"there is no Docker {version} in artifacts/tools/docker: run 'make deps'");

    /// <summary>The folder with a version of the CNI project's plugins.</summary>
    /// <param name="version"><c>1.1</c>, Debian 12's, which speaks CNI 1.0, or <c>latest</c>, which speaks CNI 1.1.</param>
    /// <exception cref="LabException">There is none.</exception>
    public static string CniPlugins(string version) =>
        Find(null, $"artifacts/tools/cni/{version}/usr/lib/cni/bridge", null) is { } bridge
            ? Path.GetDirectoryName(bridge)!
            : throw new LabException($"there are no CNI plugins {version} in artifacts/tools/cni: run 'make deps'");

    /// <summary>Where logs are kept when a lab goes down in trouble.</summary>
    public static string LogDirectory(string labName) => Path.Combine(Repository ?? Environment.CurrentDirectory, "artifacts", "logs", labName);

    private static string EtcdTool(string name, string variable, string? version) => version is not null
        ? Find(null, $"artifacts/tools/etcd/{version}/usr/bin/{name}", null)
            ?? throw new LabException($"there is no {name} {version} in artifacts/tools/etcd: run 'make deps'")
        : Find(Environment.GetEnvironmentVariable(variable), $"artifacts/tools/usr/bin/{name}", name)
        ?? throw new LabException($"there is no {name}: run 'make deps', or name one with {variable}");

    private static string? Find(string? chosen, string inRepository, string? onPath)
    {
        if (!string.IsNullOrEmpty(chosen))
            return File.Exists(chosen) ? Path.GetFullPath(chosen) : throw new LabException($"there is no file {chosen}: correct the path given for it");
        if (Repository is not null && Path.Combine(Repository, inRepository) is var built && File.Exists(built))
            return built;
        return onPath is null
            ? null
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, onPath)).FirstOrDefault(File.Exists);
    }

    private static string? FindRepository()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Accelerated.sln")))
                return folder.FullName;
        }
        return null;
    }
}

using System.Net;
using System.Net.Sockets;
using Accelerated.Interop;
using Accelerated.Interop.Libbpf;

namespace Accelerated.Bpf.Tests.Libbpf;

/// <summary>tcx links with real packets: one datagram over lo passes its egress and its ingress once.</summary>
public sealed class BpfLinkTests(UnderlayNamespace underlay) : IDisposable
{
    private const int Loopback = 1;
    private const int ENODEV = 19;
    private const int ENOLINK = 67;

    private readonly SmallObject _small = new();

    public void Dispose() => _small.Dispose();

    [Fact]
    public void Programs_OnOneHook_AllSeeThePacketUntilTheirLinkEnds()
    {
        using var first = Attach(_small.First, TcxHook.Ingress);
        Assert.Equal(new(first.Info.Id, _small.First.Id, Loopback, TcxHook.Ingress), first.Info);
        using (var second = Attach(_small.Second, TcxHook.Ingress))
        {
            Send();
            Assert.Equal((1ul, 1ul), _small.TakeCounts());
        }

        Send();
        Assert.Equal((1ul, 0ul), _small.TakeCounts());
        first.Dispose();
        Send();
        Assert.Equal((0ul, 0ul), _small.TakeCounts());
    }

    [Fact]
    public void Update_OfALink_PutsTheOtherProgramInItsPlace()
    {
        using var link = Attach(_small.First, TcxHook.Egress);
        Assert.Equal(TcxHook.Egress, link.Info.Hook);
        var id = link.Info.Id;
        link.Update(_small.Second);
        Assert.Equal(new(id, _small.Second.Id, Loopback, TcxHook.Egress), link.Info);
        Send();
        Assert.Equal((0ul, 1ul), _small.TakeCounts());
    }

    [Fact]
    public void Detach_OfALink_EndsItAndMayBeRepeated()
    {
        using var link = Attach(_small.First, TcxHook.Ingress);
        link.Detach();
        link.Detach();
        Send();
        Assert.Equal((0ul, 0ul), _small.TakeCounts());
        Assert.Equal(0, link.Info.InterfaceIndex);
        Assert.Equal(ENOLINK, Assert.Throws<NativeException>(() => link.Update(_small.Second)).Errno);
    }

    [Fact]
    public void Interface_ThatGoesAway_LeavesALinkToNothing()
    {
        underlay.Ip("link add gone type veth peer name gone2");
        var index = underlay.IndexOf("gone");
        using var link = underlay.Invoke(() => BpfLink.AttachTcx(_small.First, index, TcxHook.Ingress));
        Assert.Equal(index, link.Info.InterfaceIndex);
        underlay.Ip("link delete gone");
        Assert.Equal(0, link.Info.InterfaceIndex);
        Assert.Equal(ENOLINK, Assert.Throws<NativeException>(() => link.Update(_small.Second)).Errno);
    }

    [Fact]
    public void Attach_ToNoInterface_SaysWhatWasTried()
    {
        var e = Assert.Throws<NativeException>(() => underlay.Invoke(() => BpfLink.AttachTcx(_small.First, 999_999, TcxHook.Ingress)));
        Assert.Equal(ENODEV, e.Errno);
        Assert.StartsWith("attach first to Ingress of interface #999999: ENODEV", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pins_OfAllKinds_OutliveTheirOwners() => PrivateBpfFs.Invoke(folder =>
    {
        Assert.Null(BpfLink.OpenPinned($"{folder}/link"));
        Assert.Null(BpfMap.OpenPinned($"{folder}/counts"));
        Assert.Null(BpfProgram.OpenPinned($"{folder}/program"));
        uint map, program;
        BpfLinkInfo info;
        using (var small = new SmallObject())
        {
            using var link = Attach(small.First, TcxHook.Ingress);
            (map, program, info) = (small.Counts.Id, small.First.Id, link.Info);
            small.Counts.Pin($"{folder}/counts");
            small.First.Pin($"{folder}/program");
            link.Pin($"{folder}/link");
            Assert.Equal("EEXIST", ErrnoNames.Describe(Assert.Throws<NativeException>(() => link.Pin($"{folder}/link")).Errno).Split(':')[0]);
        }

        Send();
        using (var counts = BpfMap.OpenPinned($"{folder}/counts")!)
        {
            Assert.Equal((map, "counts", BpfMapType.Array), (counts.Id, counts.Name, counts.Type));
            Assert.True(counts.TryLookup(0u, out ulong packets));
            Assert.Equal(1ul, packets);
        }

        using (var pinned = BpfProgram.OpenPinned($"{folder}/program")!)
            Assert.Equal((program, "first"), (pinned.Id, pinned.Name));
        using (var link = BpfLink.OpenPinned($"{folder}/link")!)
        {
            Assert.Equal(info, link.Info);
            link.Update(_small.Second);
        }

        Send();
        Assert.Equal((0ul, 1ul), _small.TakeCounts());
        File.Delete($"{folder}/link");
        // The file is gone at once; what it held follows after an RCU grace period (bpf_free_inode), which takes its time on a busy machine.
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                Send();
                return _small.TakeCounts() == (0ul, 0ul);
            },
            TimeSpan.FromSeconds(10)));
    });

    [Fact]
    public void Pin_OfAnotherKind_IsNotTakenForWhatItIsNot() => PrivateBpfFs.Invoke(folder =>
    {
        _small.Counts.Pin($"{folder}/counts");
        _small.First.Pin($"{folder}/program");
        using (var link = Attach(_small.First, TcxHook.Ingress))
            link.Pin($"{folder}/link");
        Assert.Contains("bpf-prog", Assert.Throws<NativeException>(() => BpfMap.OpenPinned($"{folder}/program")).Message, StringComparison.Ordinal);
        Assert.Contains("bpf-link", Assert.Throws<NativeException>(() => BpfMap.OpenPinned($"{folder}/link")).Message, StringComparison.Ordinal);
        Assert.Contains("bpf-map", Assert.Throws<NativeException>(() => BpfProgram.OpenPinned($"{folder}/counts")).Message, StringComparison.Ordinal);
        Assert.Contains("bpf-map", Assert.Throws<NativeException>(() => BpfLink.OpenPinned($"{folder}/counts")).Message, StringComparison.Ordinal);
        Assert.NotNull(Record.Exception(() => BpfMap.OpenPinned("/etc/passwd")));
    });

    [Fact]
    public void Features_OfThisKernel_AreFound()
    {
        Assert.Equal(FeatureSupport.Supported, BpfFeatures.ProgramLoad.Support);
        Assert.Equal(File.Exists("/sys/kernel/btf/vmlinux"), BpfFeatures.Btf.IsSupported);
        Assert.Equal(
            Environment.OSVersion.Version >= new Version(6, 6) ? FeatureSupport.Supported : FeatureSupport.Unsupported, BpfFeatures.Tcx.Support);
        Assert.Equal(FeatureSupport.Unsupported, BpfFeatures.BpfFs("/proc").Support);
        Assert.Equal(FeatureSupport.Unsupported, BpfFeatures.BpfFs("/does/not/exist").Support);
        PrivateBpfFs.Invoke(folder => Assert.Equal(FeatureSupport.Supported, BpfFeatures.BpfFs(folder).Support));
    }

    private BpfLink Attach(BpfProgram program, TcxHook hook) => underlay.Invoke(() => BpfLink.AttachTcx(program, Loopback, hook));

    /// <summary>Delivered when it returns: lo hands a packet over within the call or its softirq, and the receiver waits for it.</summary>
    private void Send() => underlay.Invoke(() =>
    {
        using var receiver = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 5000 };
        receiver.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        sender.SendTo([1], receiver.LocalEndPoint!);
        Assert.Equal(1, receiver.Receive(new byte[8]));
    });
}

import { useBackend, tensor, tidy, Rng, narrow, concat, where, equal, full, broadcastTo, add, reshape, gather, matMul, zeros, type Tensor, valueAndGradsOf, sum, cast, notEqual, logicalNot } from '@filature/tensor'
import { native } from '@filature/backend-native'
await useBackend(native({ threads: 1 }))
const T=8192, W=256
const x = tensor(Float32Array.from(new Rng(1).normal(T*W)), [1,T,W]) as Tensor
const t = (name: string, fn: () => Tensor) => { for (let i=0;i<3;i++) tidy(()=>fn().dataSync()); const s=process.cpuUsage(); for (let i=0;i<5;i++) tidy(()=>void fn()); const u=process.cpuUsage(s); console.log(name, ((u.user+u.system)/5000).toFixed(1)) }
const x4 = reshape(x,[1,128,64,W])
t('narrow4', () => narrow(x4, 1, 1, 127))
t('concat', () => concat([x4,x4,x4],2))
const bias = zeros([128,1,64,192])
t('broadcast', () => broadcastTo(zeros([128,1,1,192]),[128,1,64,192]))
t('add', () => add(bias, zeros([1,1,64,192])))
t('where', () => where(equal(bias,0), bias, full(bias.shape, 1)))
t('equal', () => equal(bias,0))
t('concat3', () => concat([bias, zeros([128,1,64,2])],3))
t('gather', () => gather(x4, tensor([0,1,2],[3],'int32'),1))
t('spread', () => broadcastTo(zeros([1,1,512]),[1,128,512]))
t('scatter mm', () => matMul(zeros([1,T,2]), zeros([1,2,W])))
t('grad narrow', () => valueAndGradsOf(()=>sum(narrow(x4, 1,1,127)) as never,[x4]).grads[0]!)
t('grad concat', () => valueAndGradsOf(()=>sum(concat([x4,x4,x4],2)) as never,[x4]).grads[0]!)
t('grad gather', () => valueAndGradsOf(()=>sum(gather(reshape(x4,[T,W]), tensor([0,1,2],[3],'int32'))) as never,[x4]).grads[0]!)
